package fault

// Problem is one thing that is wrong in a configuration.
type Problem struct {
	Path    string // the key, from the struct that was checked: "s3.bucket"
	Message string // what is wrong: what was found, what is expected
	Hint    string // what to do, or empty
	Warning bool   // it works, but should not stay
}
