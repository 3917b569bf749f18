package ossfake

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// Bucket is a bucket. Its exported fields are set before it is used; [Server.Do]
// changes them later.
type Bucket struct {
	Versioning string // "", "Enabled" or "Suspended"
	Worm       *Worm
	Plain      bool // encryption is ignored

	name    string
	objects map[string][]*Object // versions by key, the latest first
}

// Worm is the retention policy of a bucket.
type Worm struct {
	State string // "InProgress" or "Locked"
	Days  int
}

// Object is a version of an object, or a delete marker.
type Object struct {
	Data    []byte
	Header  http.Header // that is kept with it
	At      time.Time   // when it was stored, by the server's clock
	Version string      // "null" without versioning
	Deleted bool        // it is a delete marker
	Mode    string      // of its retention: "COMPLIANCE", "GOVERNANCE" or ""
	Until   time.Time   // the end of that
	parts   int         // that it was uploaded in; 0: in one request
}

// Object returns the object under key, or nil. It may not be modified.
func (s *Server) Object(bucket, key string) *Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buckets[bucket].Latest(key)
}

// Versions returns how many versions there are under key, delete markers included.
func (s *Server) Versions(bucket, key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.buckets[bucket].objects[key])
}

// Put stores an object as another program would; headers are pairs.
func (s *Server) Put(bucket, key, data string, headers ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	s.buckets[bucket].put(key, &Object{Data: []byte(data), Header: h, At: time.Now().UTC().Add(s.Offset)})
}

// Delete deletes an object as another program would.
func (s *Server) Delete(bucket, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[bucket].delete(key, time.Now().UTC().Add(s.Offset))
}

// Uploads returns how many multipart uploads are neither completed nor aborted.
func (s *Server) Uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.uploads)
}

// Latest returns the object under key, or nil, for who holds up the server by Do or
// in a hook.
func (b *Bucket) Latest(key string) *Object {
	if versions := b.objects[key]; len(versions) > 0 && !versions[0].Deleted {
		return versions[0]
	}
	return nil
}

// put makes o the latest version of key.
func (b *Bucket) put(key string, o *Object) {
	o.Version = "null"
	if b.Versioning == "Enabled" {
		o.Version = "CAEQ" + newID()
	}
	others := slices.DeleteFunc(slices.Clone(b.objects[key]), func(v *Object) bool { return v.Version == o.Version })
	b.objects[key] = append([]*Object{o}, others...)
}

// delete deletes key: with versioning, a delete marker covers it.
func (b *Bucket) delete(key string, at time.Time) {
	if b.Versioning == "" {
		delete(b.objects, key)
		return
	}
	b.put(key, &Object{At: at, Deleted: true})
}

// frozen reports whether the bucket's policy keeps key from being replaced or
// deleted.
func (b *Bucket) frozen(key string, now time.Time) bool {
	o := b.Latest(key)
	return b.Worm != nil && o != nil && now.Before(o.At.AddDate(0, 0, b.Worm.Days))
}

// sorted returns the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func getVersioning(c *call, b *Bucket, _ []byte) {
	if b.Versioning == "" {
		c.xml("<VersioningConfiguration></VersioningConfiguration>")
		return
	}
	c.xml("<VersioningConfiguration><Status>%s</Status></VersioningConfiguration>", b.Versioning)
}

func getWorm(c *call, b *Bucket, _ []byte) {
	if b.Worm == nil {
		c.fail(http.StatusNotFound, Code{Code: "NoSuchWORMConfiguration", Message: "The WORM Configuration does not exist."})
		return
	}
	c.xml("<WormConfiguration><WormId>%s</WormId><State>%s</State><RetentionPeriodInDays>%d</RetentionPeriodInDays><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></WormConfiguration>",
		newID(), b.Worm.State, b.Worm.Days)
}
