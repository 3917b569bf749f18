# What the lives of both packages have in common; sourced by live-deb and
# live-rpm, which run in a throwaway machine.
# shellcheck shell=bash
set -euo pipefail
config=/etc/packseal/packseal.yaml
# shellcheck disable=SC2034 # for those who source this
link=/etc/systemd/system/multi-user.target.wants/packseal.service

step() { printf -- '-- %s\n' "$*"; }
fail() {
  printf 'failed: %s\n' "$*"
  journalctl --no-pager -o cat -u packseal | tail -n 30
  exit 1
}
must() { "$@" || fail "not true: $*"; }
mustnt() { ! "$@" || fail "true: $*"; }
# eventually COMMAND… waits until the command succeeds.
eventually() {
  local end=$((SECONDS + 60))
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || fail "never true: $*"
    sleep 0.2
  done
}
active() { systemctl -q is-active packseal; }
enabled() { systemctl -q is-enabled packseal 2>/dev/null; }
version() { packseal version | cut -d' ' -f1; }
is() { [ "$1" = "$2" ] || fail "$1, not $2"; }
pid() { systemctl show -P MainPID packseal; }
says() { grep -q "$1" "$2"; }

# configure gives the daemon a source that answers and packs that are due.
configure() {
  systemctl -q is-active sim || systemd-run -q --unit=sim packseal sim --listen 127.0.0.1:9798
  printf LTAI5tSimulatorKeyOnly >/etc/packseal/credentials/key-id
  printf simulator-secret-opens-nothing-else >/etc/packseal/credentials/key-secret
  chmod 600 /etc/packseal/credentials/*
  cat >"$config" <<END
# changed by the administrator
sources:
  prod:
    cloudconfig:
      endpoint: http://127.0.0.1:9798
      credentials: {access_key_id_file: credentials/key-id, access_key_secret_file: credentials/key-secret}
defaults: {schedule: "@every 5s", timeout: 1m, catch_up: 10m}
fetch: {poll_min: 100ms, poll_max: 500ms}
sinks: [{name: primary, local: {dir: /var/lib/packseal/archive}}]
packs: [{id: cp-fdc8626622af00f90000}]
END
  packseal check
}
sealed() { find /var/lib/packseal/ -name manifest.json | grep -q .; }
# evidence prints what is kept, for comparison.
evidence() { (cd /var/lib/packseal/archive && find . -type f -exec sha256sum {} + | sort); }

# works checks what a package has brought along.
works() {
  is "$(version)" "packseal/$1"
  local verb
  for verb in '' -run -seal -verify -completion; do
    must says "packseal$verb" <(man "packseal$verb" 2>&1 | col -b)
  done
  is "$(find /usr/share/man/man1 -name 'packseal*.1.gz' -exec man --warnings -l {} + 2>&1 >/dev/null)" ""
  must bash -c '. /usr/share/bash-completion/completions/packseal && complete -p packseal' >/dev/null
  must zsh -n "$2/_packseal"
  must fish -n /usr/share/fish/vendor_completions.d/packseal.fish
  must says verify <(packseal __complete ver 2>/dev/null)
  packseal init | must cmp - /usr/share/doc/packseal/examples/config.example.yaml
  must systemd-analyze verify packseal.service
  is "$(stat -c %a:%U /etc/packseal /etc/packseal/credentials | tr '\n' ' ')" "755:root 700:root "
}
