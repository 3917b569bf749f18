package sink

import (
	"context"
	"io"
	"time"

	"packseal.example/internal/fault"
)

// Versioner is implemented by a backend whose storage can keep what was deleted or
// replaced, and gives it away.
type Versioner interface {
	// Versions returns what the storage keeps under a key, as far as it shows that: the
	// newest first, and no more than most. Delete
	// markers are not among them.
	Versions(ctx context.Context, key string, most int) (versions []string, err error)

	// OpenVersion is Open for one of them.
	OpenVersion(ctx context.Context, key, version string) (io.ReadCloser, error)
}

// Versions calls the method of a [Versioner]. Other sinks keep one version, if any, and do
// not name it.
func Versions(ctx context.Context, s Sink, key string, most int) ([]string, error) {
	if v, ok := s.(Versioner); ok {
		return v.Versions(ctx, key, most)
	}
	return nil, nil
}

// OpenVersion calls the method of a [Versioner]. Of other sinks it is fs.ErrNotExist.
func OpenVersion(ctx context.Context, s Sink, key, version string) (io.ReadCloser, error) {
	if v, ok := s.(Versioner); ok {
		return v.OpenVersion(ctx, key, version)
	}
	return nil, NotExist(key)
}

// Versions implements [Versioner].
func (r retrying) Versions(ctx context.Context, key string, most int) (versions []string, err error) {
	err = fault.Retry(ctx, r.tries, r.backoff, func() (err error) {
		versions, err = Versions(ctx, r.sink, key, most)
		return err
	})
	return versions, err
}

// OpenVersion implements [Versioner].
func (r retrying) OpenVersion(ctx context.Context, key, version string) (rc io.ReadCloser, err error) {
	err = fault.Retry(ctx, r.tries, r.backoff, func() (err error) {
		rc, err = OpenVersion(ctx, r.sink, key, version)
		return err
	})
	return rc, err
}

// Versions implements [Versioner]. It counts as a list.
func (m measured) Versions(ctx context.Context, key string, most int) ([]string, error) {
	if _, ok := m.sink.(Versioner); !ok {
		return nil, nil
	}
	start := time.Now()
	versions, err := Versions(ctx, m.sink, key, most)
	m.done(opList, key, time.Since(start), err)
	return versions, err
}

// OpenVersion implements [Versioner]. It counts as an open.
func (m measured) OpenVersion(ctx context.Context, key, version string) (io.ReadCloser, error) {
	start := time.Now()
	rc, err := OpenVersion(ctx, m.sink, key, version)
	m.done(opOpen, key, time.Since(start), err)
	return rc, err
}

// Versions implements [Versioner].
func (t traced) Versions(ctx context.Context, key string, most int) ([]string, error) {
	return Versions(ctx, t.sink, key, most)
}

// OpenVersion implements [Versioner].
func (t traced) OpenVersion(ctx context.Context, key, version string) (io.ReadCloser, error) {
	return OpenVersion(ctx, t.sink, key, version)
}
