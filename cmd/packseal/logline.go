package main

import (
	"fmt"
	"log/slog"
	"strings"
)

// longestAttr is how many bytes of an attribute are logged. journald splits a line
// of more than 48 KiB (LineMax= in journald.conf) into several, which are no JSON
// any more; in JSON a text gets longer.
const longestAttr = 8 << 10

// shorten cuts a text or an error that is longer.
func shorten(_ []string, a slog.Attr) slog.Attr {
	var text string
	switch v := a.Value.Any().(type) {
	case string:
		text = v
	case error:
		text = v.Error()
	}
	if len(text) > longestAttr {
		a.Value = slog.StringValue(fmt.Sprintf("%s… (%d bytes more)", strings.ToValidUTF8(text[:longestAttr], ""), len(text)-longestAttr))
	}
	return a
}
