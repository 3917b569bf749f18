package guard

import (
	"errors"
	"strings"
	"testing"

	"packseal.example/internal/fault"
)

func TestCall(t *testing.T) {
	t.Parallel()
	own := errors.New("own")
	if err := Call(func() error { return own }, func(any, string) { t.Error("there was no panic") }); err != own {
		t.Errorf("got %v", err)
	}
	var value any
	var stack string
	err := Call(func() error { panic("on purpose") }, func(v any, s string) { value, stack = v, s })
	if fault.Of(err) != fault.Internal || err.Error() != "panic: on purpose" || value != "on purpose" || !strings.Contains(stack, "TestCall") {
		t.Errorf("got %v, %v, %s", err, value, stack)
	}
}
