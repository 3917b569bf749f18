package bucket

import "packseal.example/internal/fault"

// maxVersions bounds how many versions of one key are removed: packseal writes one.
const maxVersions = 100

// RemoveVersions has remove take the version of a key that is read away, by its ID, until
// the key holds nothing: that leaves no delete marker. remove returns whether there may be
// another one below.
func RemoveVersions(key string, remove func() (more bool, err error)) error {
	for range maxVersions {
		if more, err := remove(); err != nil || !more {
			return err
		}
	}
	return fault.New(fault.SinkDenied, "%s has more than %d versions, which packseal did not write", key, maxVersions).
		WithHint("see what writes there, and remove them by hand")
}
