'use strict';
// Has a report made through @alicloud/pop-core, which signs with HMAC-SHA1:
// Generate as a form, the rest in the query.
const { RPCClient } = require('@alicloud/pop-core');
const drive = require('./drive');

const { SIM_HOST, SIM_ID, SIM_SECRET } = process.env;
const client = new RPCClient({
  endpoint: `http://${SIM_HOST}`, accessKeyId: SIM_ID, accessKeySecret: SIM_SECRET, apiVersion: '2020-09-07',
});

drive((action, query) => client.request(action, query, {
  method: action.startsWith('Generate') ? 'POST' : 'GET',
}));
