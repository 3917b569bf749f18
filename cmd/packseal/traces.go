package main

import (
	"context"
	"fmt"
	"log/slog"

	"packseal.example/internal/otlp"
)

// openTraces opens the traces that the environment asks for, or nil. What is
// wrong with it is wrong usage, like a fault of the configuration.
func openTraces(ctx context.Context, logger *slog.Logger) (*otlp.Traces, error) {
	t, err := otlp.Open(ctx, version, logger)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return t, nil
}
