'use strict';
// Generates, polls, and asks for a pack that does not exist; prints what came
// of it as one line of JSON.
const { SIM_PACK, SIM_MISSING } = process.env;

module.exports = async function drive(call) {
  const pack = { CompliancePackId: SIM_PACK };
  await call('GenerateCompliancePackReport', { ...pack, ClientToken: 'stranger-1' });
  let report;
  let polls = 0;
  do {
    report = (await call('GetCompliancePackReport', pack)).CompliancePackReport;
    await new Promise((resolve) => setTimeout(resolve, 20));
  } while (report.ReportStatus !== 'COMPLETE' && ++polls < 500);
  const refused = await call('GetCompliancePackReport', { CompliancePackId: SIM_MISSING })
    .then(() => 'not refused', (err) => err.code);
  console.log(JSON.stringify({ status: report.ReportStatus, url: report.ReportUrl, polls, refused }));
};
