package sink

// Weakener is implemented by a backend, and by its options, that can be configured to
// do without the store's guarantee that a key is never replaced.
type Weakener interface {
	// Weaker returns the setting that does so, such as "conditional_writes: off";
	// "" if the guarantee holds.
	Weaker() string
}

// Weaker calls the method of a [Weakener]. Other sinks keep the guarantee.
func Weaker(s Sink) string {
	if w, ok := s.(Weakener); ok {
		return w.Weaker()
	}
	return ""
}

// Weaker implements [Weakener].
func (r retrying) Weaker() string { return Weaker(r.sink) }

// Weaker implements [Weakener].
func (m measured) Weaker() string { return Weaker(m.sink) }

// Weaker implements [Weakener].
func (t traced) Weaker() string { return Weaker(t.sink) }
