#!/usr/bin/env bash
# ali-oss: a link that signatureUrlV4 makes for an endpoint that is an IP address
# has no bucket in it.
#
# One would guess: a signed link names the object that the client itself reads
# under the same endpoint: /bucket/key, since an address can't have the bucket in
# its host name; or an error says that there is no such link.
#
# What happens: get() asks for /bucket/key, but signatureUrlV4 gives a link to /key,
# without an error. The store takes the first folder of the key for the bucket. The
# older signatureUrl throws: "can not get the object URL when endpoint is IP".
#
# Why it matters: links fail, or lead into another bucket, wherever the endpoint is
# an address: a private gateway, an appliance, a fake in a test.
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
  console.log(`get() asks for ${new URL(request.url, 'http://x').pathname}`);
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
expected='get() asks for /bucket/folder/key
signatureUrl: can not get the object URL when endpoint is IP
signatureUrlV4: /folder/key'
[ "$seen" = "$expected" ] || { echo "the behaviour has changed" >&2; exit 1; }
