package otlp

import "context"

// Flush sends what there is.
func (t *Traces) Flush(ctx context.Context) error { return t.provider.ForceFlush(ctx) }
