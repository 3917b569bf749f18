package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"packseal.example/internal/fault"
)

// Variable is the environment variable that names the configuration file.
const Variable = "PACKSEAL_CONFIG"

// places are where the configuration file is looked for when nothing names it.
var places = []string{"./packseal.yaml", "/etc/packseal/packseal.yaml"}

// Places says where [Find] looks, for people.
func Places() string { return "$" + Variable + ", " + strings.Join(places, ", ") }

// Find returns the name of the configuration file: the one that is given or,
// if that is empty, that of the environment variable or, if that is empty too,
// the first place where there is a file. The error, an *Error, says where it
// has looked.
func Find(given string) (path string, err error) {
	if given != "" {
		return given, nil
	}
	if named := os.Getenv(Variable); named != "" {
		if _, err := os.Stat(named); errors.Is(err, fs.ErrNotExist) {
			return "", newError([]Fault{{File: named, Problem: fault.Problem{Message: "$" + Variable + " names this file, and it does not exist", Hint: initHint}}})
		}
		return named, nil
	}
	for _, place := range places {
		if _, err := os.Stat(place); !errors.Is(err, fs.ErrNotExist) {
			return place, nil // also one that can't be read: reading it says why
		}
	}
	p := fault.Problem{
		Message: "no configuration file: looked for $" + Variable + " (not set), " + strings.Join(places, ", "),
		Hint:    "name it with --config; " + initHint,
	}
	return "", newError([]Fault{{Problem: p}})
}
