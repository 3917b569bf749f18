'use strict';
// Writes, reads and lists through ali-oss, with signatures of version 4, and says
// what came of it.
const assert = require('assert');
const OSS = require('ali-oss');

const { OSS_URL, OSS_ID, OSS_SECRET, OSS_BUCKET } = process.env;
const client = new OSS({
  endpoint: OSS_URL, region: 'oss-cn-shanghai', accessKeyId: OSS_ID, accessKeySecret: OSS_SECRET, bucket: OSS_BUCKET,
  authorizationV4: true, retryMax: 0,
});

async function refused(call) {
  try {
    await call();
  } catch (e) {
    return `${e.status} ${e.code}`;
  }
  return 'accepted';
}

(async () => {
  const key = "审 计/a+b%20c&d=é'(1)!~*@:;,$.txt";
  const large = Buffer.alloc(250 * 1024, 'x');
  const once = { headers: { 'x-oss-forbid-overwrite': 'true' } };
  await client.put(key, Buffer.from('report'), { ...once, meta: { sha256: 'abc' } });
  const got = await client.get(key);
  assert.strictEqual(got.content.toString(), 'report');
  const head = await client.head(key);
  assert.strictEqual(head.meta.sha256, 'abc');
  await client.multipartUpload('large', large, { partSize: 100 * 1024, parallel: 3, ...once });
  assert.ok((await client.get('large')).content.equals(large));
  const link = await client.signatureUrlV4('GET', 60, undefined, key);
  const listed = [];
  for (let token; ;) {
    const page = await client.listV2({ 'max-keys': '1', ...(token && { 'continuation-token': token }) });
    listed.push(...page.objects.map((o) => o.name));
    if (!page.isTruncated) break;
    token = page.nextContinuationToken;
  }
  process.stdout.write(JSON.stringify({
    listed, link,
    again: await refused(() => client.put(key, Buffer.from('other'), once)),
    missing: await refused(() => client.get('missing')),
    denied: await refused(() => new OSS({ ...client.options, accessKeySecret: 'wrong' }).get(key)),
  }));
})().catch((e) => { process.stderr.write(`${e.stack}\n`); process.exit(1); });
