package sim

// generateRules starts generating a report of all rules, and returns its ID. While
// one is being generated, other requests are refused, without its ID.
func (s *Server) generateRules(q *request) (any, *refusal) {
	r, refused := s.start(q, "ConfigRuleReportCreating")
	if refused != nil {
		return nil, refused
	}
	return generatedRules{ReportId: r.id, RequestId: q.id}, nil
}

// getRules returns the status of a report by its ID, and a new link to it.
func (s *Server) getRules(q *request) (any, *refusal) {
	p, refused := s.find(q)
	if refused != nil {
		return nil, refused
	}
	id := q.params.Get("ReportId")
	if id == "" {
		return nil, missing("ReportId")
	}
	status, r := p.stateOf(id, q.now)
	if r == nil {
		return nil, invalid("ReportId")
	}
	out := rulesReport{AccountId: p.account(), AggregatorId: p.Aggregator, ReportId: r.id, ReportStatus: status}
	if status == statusComplete {
		out.ReportCreateTimestamp, out.ReportUrl = r.created.UnixMilli(), s.link(q, p, r)
	}
	return gotRules{ConfigRulesReport: out, RequestId: q.id}, nil
}

// generateLatest starts generating what is identified by nothing in the response:
// the report of a template, or the inventory.
func (s *Server) generateLatest(q *request) (any, *refusal) {
	p, refused := s.find(q)
	if refused != nil {
		return nil, refused
	}
	p.generate("", q.now)
	return generatedLatest{RequestId: q.id}, nil
}

// latest returns the state of the latest report, or the refusal of the script if
// there was never one.
func (s *Server) latest(q *request) (p *pack, status string, r *report, refused *refusal) {
	if p, refused = s.find(q); refused != nil {
		return nil, "", nil, refused
	}
	status, r = p.state(q.now)
	if r == nil && p.Script.Unfound != "" {
		refused = refuse(p.Script.Unfound, "There is no report.")
	}
	return p, status, r, refused
}

// getTemplate returns the status of the template's latest report, and a new link.
func (s *Server) getTemplate(q *request) (any, *refusal) {
	p, status, r, refused := s.latest(q)
	if refused != nil {
		return nil, refused
	}
	out := gotTemplate{RequestId: q.id}
	if r != nil {
		out.TemplateReport = &templateReport{AccountId: p.account(), ReportTemplateId: p.ID, Status: status, TemplateReportId: r.id, ReportCreateStartTimestamp: r.began.UnixMilli()}
	}
	if r != nil && status != statusCreating {
		out.TemplateReport.ReportCreateEndTimestamp = r.created.UnixMilli()
	}
	if status == statusComplete {
		out.TemplateReport.ReportUrl = s.link(q, p, r)
	}
	return out, nil
}

// getInventory returns the status of the latest inventory, and a new link to it. Its
// time is when generating it began.
func (s *Server) getInventory(q *request) (any, *refusal) {
	p, status, r, refused := s.latest(q)
	if refused != nil {
		return nil, refused
	}
	out := gotInventory{RequestId: q.id}
	if r != nil {
		out.ResourceInventory = &inventoryReport{Status: status, ResourceInventoryGenerateTime: r.began.UnixMilli()}
	}
	if status == statusComplete {
		out.ResourceInventory.DownloadUrl = s.link(q, p, r)
	}
	return out, nil
}
