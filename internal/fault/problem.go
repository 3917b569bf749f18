package fault

// Problem is one thing that is wrong in a configuration.
type Problem struct {
	Path    string // the key, relative to the struct that was checked: "s3.bucket"
	Message string // what is wrong: what was found, what is expected
	Hint    string // what to do, or empty
	Warning bool   // it works, but should be changed
}

// Problems collects what the Check method of a configuration entry finds.
type Problems []Problem

// Require adds a problem with the key path unless ok. The hint may be empty.
func (ps *Problems) Require(ok bool, path, message, hint string) {
	if !ok {
		*ps = append(*ps, Problem{Path: path, Message: message, Hint: hint})
	}
}
