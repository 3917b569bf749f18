// Package i18n holds the sentences that both the page and the notices say, in
// English and in Chinese.
package i18n

import "packseal.example/internal/fault"

// EnglishReasons says of each reason what happened, for a reader who knows
// neither the API nor packseal.
func EnglishReasons() map[fault.Reason]string {
	return map[fault.Reason]string{
		fault.Throttled:       "The service asked to slow down.",
		fault.Unavailable:     "The service could not be reached, or had a fault of its own.",
		fault.NotReady:        "The report was still being made.",
		fault.LinkExpired:     "The download link had expired.",
		fault.Damaged:         "What was downloaded was not a whole report.",
		fault.Busy:            "Somebody else was at work on the same report.",
		fault.SinkUnavailable: "The storage was down, slow, full or read-only.",
		fault.ClockSkew:       "This machine's clock is too far from the server's.",
		fault.Canceled:        "packseal was asked to stop.",
		fault.NotFound:        "There is no such pack, account group or account.",
		fault.Denied:          "The credentials are good, but a permission is missing.",
		fault.Credentials:     "The credentials are missing, wrong or no longer valid.",
		fault.Request:         "The service refused the request itself: a fault of packseal.",
		fault.LinkRefused:     "The download link was refused, or points where it must not.",
		fault.TooLarge:        "The report is over the configured maximum size.",
		fault.Conflict:        "The storage holds something else under this name.",
		fault.SinkDenied:      "The storage refused the credentials, the bucket or the way of writing.",
		fault.Newer:           "A newer packseal wrote the record, and this one can not read it.",
		fault.Internal:        "packseal met a fault of its own.",
		fault.Deadline:        "No new report was to be had before the time limit.",
		fault.Overlap:         "The pack's earlier report was still at work.",
		fault.Missed:          "packseal was not running when the report fell due.",
		fault.Paused:          "The pack or its source was paused.",
	}
}
