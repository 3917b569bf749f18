'use strict';
// Lists member accounts through @alicloud/openapi-client, assumes the role of one through
// the vendor's client of STS, and lists its packs with the role's keys.
const { default: Client, Config, Params, OpenApiRequest } = require('@alicloud/openapi-client');
const { RuntimeOptions } = require('@alicloud/tea-util');
const { default: STS, AssumeRoleRequest } = require('@alicloud/sts20150401');

const { SIM_HOST, SIM_ID, SIM_SECRET, SIM_ROLE, SIM_DENIED } = process.env;
const user = { endpoint: SIM_HOST, accessKeyId: SIM_ID, accessKeySecret: SIM_SECRET, protocol: 'HTTP' };

async function call(keys, version, action, query) {
  const params = new Params({
    action, version, protocol: 'HTTP', pathname: '/', method: 'POST',
    authType: 'AK', style: 'RPC', reqBodyType: 'formData', bodyType: 'json',
  });
  return (await new Client(new Config(keys)).callApi(params, new OpenApiRequest({ query }), new RuntimeOptions({}))).body;
}

async function main() {
  const accounts = [];
  for (let next = ''; ;) {
    const query = { MaxResults: '2', IncludeTags: 'true' };
    if (next) query.NextToken = next;
    const page = await call(user, '2022-04-19', 'ListAccounts', query);
    for (const a of page.Accounts.Account) accounts.push(`${a.AccountId} ${a.DisplayName} ${a.Status} ${a.Tags.Tag.map((t) => `${t.Key}=${t.Value}`)}`);
    next = page.NextToken;
    if (!next) break;
  }
  const sts = new STS(user);
  const assume = (roleArn) => sts.assumeRole(new AssumeRoleRequest({ roleArn, roleSessionName: 'stranger', durationSeconds: 900 }));
  const { credentials } = (await assume(SIM_ROLE)).body;
  const role = { ...user, accessKeyId: credentials.accessKeyId, accessKeySecret: credentials.accessKeySecret, securityToken: credentials.securityToken };
  const packs = await call(role, '2020-09-07', 'ListCompliancePacks', { PageSize: '100' });
  let refused = '';
  try { await assume(SIM_DENIED); } catch (e) { refused = String(e.code || e.message); }
  console.log(JSON.stringify({ accounts, packs: packs.CompliancePacksResult.CompliancePacks.map((p) => p.CompliancePackName), expiration: credentials.expiration, refused }));
}

main().catch((e) => { console.error(e); process.exit(1); });
