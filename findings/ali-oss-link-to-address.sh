#!/usr/bin/env bash
# ali-oss: a link that signatureUrlV4 makes for an endpoint that is an IP address
# has no bucket in it.
#
# One would guess: a signed link names the same bucket as the client's own requests
# to the same endpoint; or an error says that there is no such link.
#
# What happens: with an address as the endpoint, get() names the bucket in the Host
# header, as if the address were one of the service's. A link has no such header,
# and signatureUrlV4 does not put the bucket into the path either: it gives a link
# to /key, without an error. The older
# signatureUrl throws instead: "can not get the object URL when endpoint is IP".
#
# Why it matters: links fail, or lead into a bucket that is named like the first
# folder of the key, wherever the endpoint is an address: a private gateway, an
# appliance, a fake in a test.
#
# Needs Node and npm. Run: findings/ali-oss-link-to-address.sh
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >package.json <<'EOF'
{"name": "finding", "version": "1.0.0", "private": true, "dependencies": {"ali-oss": "6.23.0"}}
EOF

cat >main.js <<'EOF'
'use strict';
const http = require('http');
const OSS = require('ali-oss');

const server = http.createServer((request, response) => {
  console.log(`get() asks ${request.headers.host} for ${request.url}`);
  response.setHeader('x-oss-request-id', '5C3D9175B6FC201293AD0001');
  response.end('content');
});

server.listen(0, '127.0.0.1', async () => {
  const endpoint = `http://127.0.0.1:${server.address().port}`;
  const client = new OSS({
    endpoint, region: 'oss-cn-shanghai', accessKeyId: 'id', accessKeySecret: 'secret', bucket: 'bucket', authorizationV4: true,
  });
  await client.get('folder/key');
  try {
    console.log(`signatureUrl: ${new URL(client.signatureUrl('folder/key')).pathname}`);
  } catch (e) {
    console.log(`signatureUrl: ${e.message}`);
  }
  console.log(`signatureUrlV4: ${new URL(await client.signatureUrlV4('GET', 60, undefined, 'folder/key')).pathname}`);
  server.close();
});
EOF

npm install --no-audit --no-fund >log 2>&1 || { cat log; exit 1; }
npm ls ali-oss | grep ali-oss
node --version
seen=$(NO_PROXY=127.0.0.1 node main.js)
echo "$seen"
expected='get() asks bucket.oss-cn-shanghai.aliyuncs.com for /folder/key
signatureUrl: can not get the object URL when endpoint is IP
signatureUrlV4: /folder/key'
[ "$seen" = "$expected" ] || { echo "the behaviour has changed" >&2; exit 1; }
