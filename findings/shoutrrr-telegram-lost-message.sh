#!/usr/bin/env bash
# shoutrrr: a Telegram message that could not be sent counts as sent.
#
# One would guess: Send returns an error when nothing reached Telegram, as other
# services do.
#
# What happens: Send returns nil when the request fails without an answer in JSON:
# the network is down, a name does not resolve, a proxy refuses. The error of the
# HTTP client is dropped, and what is returned instead is made from the body of an
# answer that there was none of. Slack, on the same network, returns the error.
#
# Why it matters: a program that retries what failed does not retry, and the alert
# is lost without a word in any log.
#
# Nothing is sent to either service: the only way out is a proxy on a closed port.
# Needs Go. Run: findings/shoutrrr-telegram-lost-message.sh
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >go.mod <<'EOF'
module finding

go 1.26.0

require github.com/nicholas-fedor/shoutrrr v0.13.2
EOF

cat >main.go <<'EOF'
package main

import (
	"fmt"

	"github.com/nicholas-fedor/shoutrrr"
)

func main() {
	for _, url := range []string{
		"telegram://123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@telegram?chats=1",
		"slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789123456@webhook",
	} {
		err := shoutrrr.Send(url, "the disk is full")
		fmt.Printf("%.8s: sent: %t\n", url, err == nil)
	}
}
EOF

go mod tidy >log 2>&1 || { cat log; exit 1; }
go list -m github.com/nicholas-fedor/shoutrrr
go version
go build -o finding .
seen=$(env -u NO_PROXY -u no_proxy HTTPS_PROXY=http://127.0.0.1:1 HTTP_PROXY=http://127.0.0.1:1 ./finding)
echo "$seen"
expected='telegram: sent: true
slack://: sent: false'
[ "$seen" = "$expected" ] || { echo "the behaviour has changed" >&2; exit 1; }
