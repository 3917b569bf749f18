package units

import (
	"math"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": Week, "2w": 14 * Day, "1y": 365 * Day, "1d12h": 36 * time.Hour,
		"1y2w3d4h5m6s7ms8us9ns": Year + 2*Week + 3*Day + 4*time.Hour + 5*time.Minute + 6*time.Second + 7*time.Millisecond + 8*time.Microsecond + 9,
		"1.5d":                  36 * time.Hour, ".5w": 84 * time.Hour, "-1d": -Day, "+1h": time.Hour, "3µs": 3 * time.Microsecond, "292y": 292 * Year,
	} {
		if got, err := ParseDuration(text); got != want || err != nil {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-", "+", "--1d", "5", "d", "7 d", "7D", "1month", "1d 12h", "1d0", "0d0", "300y", "292y52w", "9999999999999999999d", "1e3s", "∞", "1d\n", "7d-1h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 90 * time.Second: "1m30s", 90 * time.Minute: "1h30m", 24 * time.Hour: "1d", 36 * time.Hour: "1d12h", Week: "1w", 2 * Week: "2w",
		8 * Day: "8d", Year: "1y", 400 * Day: "400d", 1500 * time.Millisecond: "1.5s", -Week: "-1w", time.Hour + time.Second: "1h1s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// FuzzDuration: what can be read is written so that it is read again as the same, and
// what package time reads is read as the same.
func FuzzDuration(f *testing.F) {
	for _, seed := range []string{"0", "7d", "1d12h", "1.5y", "-2w", "292y52w", "1m1m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDuration(text)
		if want, timeErr := time.ParseDuration(text); timeErr == nil && want != math.MinInt64 && (err != nil || d != want) {
			t.Errorf("%q: %v, %v, want %v", text, d, err, want)
		}
		if err != nil {
			return
		}
		if again, err := ParseDuration(FormatDuration(d)); again != d || err != nil {
			t.Errorf("%q is %v, written %s, read as %v, %v", text, d, FormatDuration(d), again, err)
		}
	})
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"0": 0, "67108864": 64 << 20, "64MiB": 64 << 20, "64 MiB": 64 << 20, "1 GB": 1e9, "1gb": 1e9, "1.5 GB": 15e8, "1.5GiB": 3 << 29, "0.5KiB": 512,
		"7B": 7, "2TiB": 2 << 40, "8388607 TiB": 8388607 << 40, "1.25KiB": 1280, "1.500MB": 15e5, "1.0": 1,
	} {
		if got, err := ParseSize(text); got != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1MiB", "+1", "1 M", "1MiBs", "1  MiB", "1.5", "0.3KiB", "1.", ".5GB", "1e3", "0x10", "1_0", "8388608TiB", "9223372036854775808", "99999999999999999999GB", "1 GB\n"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
	for size, want := range map[Size]string{0: "0B", 7: "7B", 1000: "1KB", 1024: "1KiB", 64 << 20: "64MiB", 1e9: "1GB", 15e8: "1500MB", 3 << 29: "1536MiB", math.MaxInt64: "9223372036854775807B"} {
		if got := size.String(); got != want {
			t.Errorf("%d: %q, want %q", int64(size), got, want)
		}
	}
}

// FuzzSize: what can be read is written so that it is read again as the same.
func FuzzSize(f *testing.F) {
	for _, seed := range []string{"0", "64 MiB", "1.5GB", "0.000000001TiB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := ParseSize(text)
		if err != nil {
			return
		}
		if again, err := ParseSize(size.String()); size < 0 || again != size || err != nil {
			t.Errorf("%q is %d, written %s, read as %d, %v", text, int64(size), size, int64(again), err)
		}
	})
}

func TestParseShare(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"": 0, "5%": 0.05, "0.05": 0.05, "100%": 1, "0": -1, "0%": -1, "101%": -1, "-1%": -1, "NaN": -1, "Inf%": -1, "%": -1, "lots": -1} {
		got, err := ParseShare(text)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
