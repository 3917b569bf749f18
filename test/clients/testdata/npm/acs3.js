'use strict';
// Has a report made through @alicloud/openapi-client, which signs with ACS3.
const { default: Client, Config, Params, OpenApiRequest } = require('@alicloud/openapi-client');
const { RuntimeOptions } = require('@alicloud/tea-util');
const drive = require('./drive');

const { SIM_HOST, SIM_ID, SIM_SECRET } = process.env;
const client = new Client(new Config({
  endpoint: SIM_HOST, accessKeyId: SIM_ID, accessKeySecret: SIM_SECRET, protocol: 'HTTP',
}));

drive(async (action, query) => {
  const params = new Params({
    action, version: '2020-09-07', protocol: 'HTTP', pathname: '/', method: 'POST',
    authType: 'AK', style: 'RPC', reqBodyType: 'formData', bodyType: 'json',
  });
  const answer = await client.callApi(params, new OpenApiRequest({ query }), new RuntimeOptions({}));
  return answer.body;
});
