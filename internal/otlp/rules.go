package otlp

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// rule defines the valid values of a variable that is ignored if it is invalid.
type rule struct {
	name string
	good func(string) bool
	want string // the valid values, in words
}

// ignore removes a variable that breaks the rule, with a warning. That does not
// quote the value, which may be a secret in the wrong place.
func (e environment) ignore(ctx context.Context, r rule) {
	if v := get(r.name); v != "" && !r.good(v) {
		e.logger.WarnContext(ctx, "environment variable ignored", "name", r.name, "hint", "valid: "+r.want)
		os.Unsetenv(r.name) //nolint:errcheck // fails for invalid names only
	}
}

// rules returns the rules of all variables that can be ignored.
func rules() []rule {
	all := []rule{
		{"OTEL_SDK_DISABLED", boolean, "true or false"},
		{"OTEL_RESOURCE_ATTRIBUTES", pairs, "key=value,key=value with values percent-encoded"},
		{"OTEL_TRACES_SAMPLER", oneOf("always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"), "always_on, always_off or traceidratio, each also with the prefix parentbased_"},
		{"OTEL_TRACES_SAMPLER_ARG", ratio, "a number from 0 to 1"},
	}
	for _, name := range []string{"SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE"} {
		all = append(all, rule{"OTEL_BSP_" + name, atLeast(1), "an integer from 1"})
	}
	for _, name := range []string{
		"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
		"OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
	} {
		all = append(all, rule{name, atLeast(0), "an integer from 0"})
	}
	for _, r := range []rule{
		{"PROTOCOL", oneOf("http/protobuf", "http/json", "grpc"), "http/protobuf, http/json or grpc"},
		{"COMPRESSION", oneOf("gzip", "none"), "gzip or none"},
		{"TIMEOUT", atLeast(1), "milliseconds, an integer from 1"},
		{"INSECURE", boolean, "true or false"},
	} {
		for _, name := range names(r.name) {
			all = append(all, rule{name, r.good, r.want})
		}
	}
	return all
}

func oneOf(words ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(words, v) }
}

func boolean(v string) bool { return strings.EqualFold(v, "true") || strings.EqualFold(v, "false") }

// atLeast accepts integers from least up to a limit, since queue lengths cost
// memory.
func atLeast(least int) func(string) bool {
	return func(v string) bool {
		n, err := strconv.Atoi(v)
		return err == nil && n >= least && n <= 1<<24
	}
}

func ratio(v string) bool {
	f, err := strconv.ParseFloat(v, 64)
	return err == nil && f >= 0 && f <= 1
}

// pairs accepts key=value,…
func pairs(v string) bool {
	for pair := range strings.SplitSeq(v, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if _, err := url.PathUnescape(value); !ok || err != nil || strings.TrimSpace(key) == "" {
			return false
		}
	}
	return true
}
