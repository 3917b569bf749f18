package fetcher

import "time"

// Settings bound the making and the download of a report. A zero field means
// its default.
type Settings struct {
	PollMin    time.Duration `yaml:"poll_min,omitempty"`    // the first wait between two looks at a report being made; default 1s
	PollMax    time.Duration `yaml:"poll_max,omitempty"`    // the longest such wait; default 30s
	StaleAfter time.Duration `yaml:"stale_after,omitempty"` // a report is asked for again when nothing newer was being made for this long; default 5m
	LinkMargin time.Duration `yaml:"link_margin,omitempty"` // a link with less life left is looked up again before the download; default 2m
	MaxBytes   int64         `yaml:"max_bytes,omitempty"`   // a larger report is refused; default 2 GiB
	StallAfter time.Duration `yaml:"stall_after,omitempty"` // a download that brings no byte for this long is cut and tried again; default 30s
}
