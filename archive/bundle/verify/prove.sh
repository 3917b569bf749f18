#!/usr/bin/env bash
# bash prove.sh PROOF.tlog-proof MANIFEST.json VKEY [REPORT [TOKEN.tsr TSA-ROOTS.pem]]
# Verifies the proof of one slot (packseal prove), a C2SP tlog-proof, with bash, coreutils and openssl 3.0 or later.
# VKEY is the ledger's verifier key, from elsewhere. Exits with 0 if everything given holds, or else with 3.
set -euo pipefail
die() { echo "NOT PROVEN: $*" >&2; exit 3; }
trap 'die "an argument can not be read (line $LINENO of prove.sh)"' ERR
(($# == 3 || $# == 4 || $# == 6)) || { sed -n 2,4p "$0" >&2; exit 2; }
proof=$1 manifest=$2 vkey=$3 report=${4-} token=${5-} roots=${6-}
tmp=$(mktemp -d) && trap 'rm -rf "$tmp"' EXIT
hex() { od -An -v -tx1 | tr -d ' \n'; }
bin() { printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"; }
sha() { sha256sum | cut -c1-64; }
mapfile -t l <"$proof"
[[ ${l[0]} == c2sp.org/tlog-proof@v1 && ${l[1]} == "extra "* && ${l[2]} =~ ^index\ (0|[1-9][0-9]{0,17})$ ]] || die "it is not a tlog-proof"
key=$(base64 -d <<<"${l[1]#extra }") index=${BASH_REMATCH[1]} n=3
while [[ -n ${l[n]-} ]]; do n=$((n + 1)); done
printf '%s\n' "${l[@]:n+1}" >"$tmp/checkpoint"
origin=${l[n+1]} size=${l[n+2]} root=$(base64 -d <<<"${l[n+3]}" | hex)
[[ $size =~ ^[1-9][0-9]{0,17}$ && $index -lt $size && -z ${l[n+4]} && ${vkey%%+*} == "$origin" ]] || die "it is not of this ledger"
# The entry is a leaf of the tree (RFC 9162, 2.1.3.2).
h=$( (bin 00; printf '%s  %s' "$(sha <"$manifest")" "$key") | sha) f=$index s=$((size - 1))
for p in "${l[@]:3:n-3}"; do
	((s > 0)) || die "the proof is too long"
	p=$(base64 -d <<<"$p" | hex)
	if ((f & 1 || f == s)); then
		h=$(bin "01$p$h" | sha)
		while ((!(f & 1) && f > 0)); do f=$((f >> 1)) s=$((s >> 1)); done
	else h=$(bin "01$h$p" | sha); fi
	f=$((f >> 1)) s=$((s >> 1))
done
[[ $s == 0 && $h == "$root" ]] || die "the manifest is not the entry $key of the ledger"
# The checkpoint is signed.
id=${vkey#*+} id=${id%%+*} raw=$(base64 -d <<<"${vkey#*+*+}" | hex)
[[ ${#raw} == 66 && $raw == 01* && $( (printf '%s\n' "$origin"; bin "$raw") | sha) == "$id"* ]] || die "$vkey is not a verifier key"
printf '%s\n' "${l[@]:n+1:3}" >"$tmp/text"; bin "302a300506032b6570032100${raw:2}" >"$tmp/pub"; signed=
for line in "${l[@]:n+5}"; do
	sig=$(base64 -d <<<"${line##* }" | hex)
	[[ $line == "— $origin "* && $sig == "$id"* ]] && bin "${sig:8}" >"$tmp/sig" && openssl pkeyutl -verify -pubin -keyform DER -inkey "$tmp/pub" -rawin -in "$tmp/text" -sigfile "$tmp/sig" >/dev/null 2>&1 && signed=1
done
[[ $signed ]] || die "the checkpoint is not signed with the key"
[[ -z $report ]] || grep -q "\"sha256\":\"$(sha <"$report")\"" "$manifest" || die "$report is not the report of the manifest"
if [[ $token ]]; then
	at=$(openssl ts -reply -in "$token" -text 2>/dev/null | sed -n 's/^Time stamp: //p')
	openssl ts -verify -data "$tmp/checkpoint" -in "$token" -CAfile "$roots" -attime "$(date -d "$at" +%s)" >/dev/null 2>&1 || die "the time-stamp does not hold"
fi
echo "PROVEN: $key is entry $index of $origin, in the tree of $size entries${report:+; the report is the one of the manifest}${token:+; stamped $at}"
