'use strict';
// Has a report of each kind made, and asks for a pack that does not exist; prints
// what came of it as one line of JSON.
const { SIM_PACK, SIM_MISSING, SIM_TEMPLATE } = process.env;

module.exports = async function drive(call) {
  const pack = { CompliancePackId: SIM_PACK };
  await call('GenerateCompliancePackReport', { ...pack, ClientToken: 'stranger-1' });
  let report;
  let polls = 0;
  do {
    report = (await call('GetCompliancePackReport', pack)).CompliancePackReport;
    await new Promise((resolve) => setTimeout(resolve, 20));
  } while (report.ReportStatus !== 'COMPLETE' && ++polls < 500);
  // Of the other kinds: what to ask with, and where the answer has status and link.
  const { ReportId } = await call('GenerateConfigRulesReport', { ClientToken: 'stranger-2' });
  await call('GenerateReportFromTemplate', { ReportTemplateId: SIM_TEMPLATE });
  await call('GenerateResourceInventory', { ResourceDeleted: 1 });
  const others = {};
  for (const [action, query, field] of [
    ['ListCompliancePacks', { PageNumber: 1, PageSize: 100 }, 'CompliancePacksResult'],
    ['ListReportTemplates', { MaxResults: 50 }, 'ReportTemplateList'],
  ]) {
    const listed = JSON.stringify((await call(action, query))[field]);
    if (!listed.includes(action === 'ListReportTemplates' ? SIM_TEMPLATE : SIM_PACK)) throw new Error(`${action}: ${listed}`);
  }
  for (const [action, query, field] of [
    ['GetConfigRulesReport', { ReportId }, 'ConfigRulesReport'],
    ['GetReportFromTemplate', { ReportTemplateId: SIM_TEMPLATE }, 'TemplateReport'],
    ['GetResourceInventory', {}, 'ResourceInventory'],
  ]) {
    const got = (await call(action, query))[field];
    others[field] = { status: got.ReportStatus || got.Status, url: got.ReportUrl || got.DownloadUrl };
  }
  const refused = await call('GetCompliancePackReport', { CompliancePackId: SIM_MISSING })
    .then(() => 'not refused', (err) => err.code);
  console.log(JSON.stringify({ status: report.ReportStatus, url: report.ReportUrl, polls, refused, others }));
};
