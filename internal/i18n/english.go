package i18n

import "packseal.example/internal/fault"

// EnglishReasons says what each reason means, in a sentence for a reader who
// knows neither the API nor packseal.
func EnglishReasons() map[fault.Reason]string {
	return map[fault.Reason]string{
		fault.Throttled:       "The service asked packseal to slow down.",
		fault.Unavailable:     "The service was unreachable or had an internal error.",
		fault.NotReady:        "The report was still being generated.",
		fault.LinkExpired:     "The download link had expired.",
		fault.Damaged:         "The download was not a complete report.",
		fault.Busy:            "Another process was working on the same report.",
		fault.SinkUnavailable: "The storage was down, slow, full or read-only.",
		fault.ClockSkew:       "This machine's clock differs too much from the server's.",
		fault.Canceled:        "packseal was stopping.",
		fault.NotFound:        "The pack, report template, account group or account does not exist.",
		fault.Denied:          "The credentials are valid, but a permission is missing.",
		fault.Credentials:     "The credentials are missing, wrong or no longer valid.",
		fault.Request:         "The service rejected the request itself: its address is wrong, or packseal has a bug.",
		fault.LinkRefused:     "The download link was refused, or points to an address that is not allowed.",
		fault.TooLarge:        "The report is larger than the configured limit.",
		fault.Conflict:        "The storage has a different object under the same name.",
		fault.SinkDenied:      "The storage refused the credentials, the bucket or the way of writing.",
		fault.Deleted:         "What the storage held of this report was deleted. Nothing is written in its place.",
		fault.NotRestored:     "The object is in an archive tier of the storage and has to be restored before it can be read.",
		fault.Newer:           "A newer version of packseal wrote the record; this one cannot read it.",
		fault.Internal:        "packseal had an internal error.",
		fault.Deadline:        "No new report was available before the time limit.",
		fault.Overlap:         "The pack's previous report was still in progress.",
		fault.Missed:          "The report was not requested in time.",
		fault.Absent:          "No record of the report was found: it was never made, or it was removed.",
		fault.Paused:          "The pack or its source was paused.",
	}
}
