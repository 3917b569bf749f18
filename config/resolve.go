package config

import (
	"os"
	"path/filepath"
	"strings"

	"packseal.example/config/strictyaml"
)

// credentialsVariable names the folder of the credentials that systemd has
// loaded for a service (LoadCredential=).
const credentialsVariable = "CREDENTIALS_DIRECTORY"

// credentialsHint is for runs outside of systemd.
const credentialsHint = "systemd sets it for a service with LoadCredential=; a relative name works with and without it"

// resolver makes names of files and folders absolute. It is the folder of the
// configuration file.
type resolver string

// text resolves the values of keys that name a file or a folder. It goes by the
// key, so that a new backend only has to name its field so.
func (base resolver) text(path, text string) (string, *strictyaml.Fault) {
	if namesFile(path) || namesFolder(path) {
		return base.resolve(text, namesFile(path))
	}
	return text, nil
}

// namesFile and namesFolder report whether the value at a path is such a name.
func namesFile(path string) bool { return strings.HasSuffix(path, "_file") }
func namesFolder(path string) bool {
	return strings.HasSuffix(path, "_dir") || strings.HasSuffix(path, ".dir")
}

// resolve returns the path that a name in the file stands for.
//
//	/etc/x                       unchanged
//	$CREDENTIALS_DIRECTORY/x     in the folder of the credentials; also ${…}
//	x                            in the folder of the configuration file
//
// A file (not a folder) with a relative name is the credential of that name, if
// there is one: LoadCredential=x:… loads x, and LoadCredential=dir:… of a folder
// loads its x as dir_x. The same configuration thus serves the service and an
// administrator who runs a command as root.
func (base resolver) resolve(name string, isFile bool) (string, *strictyaml.Fault) {
	credentials := os.Getenv(credentialsVariable)
	for _, prefix := range []string{"$" + credentialsVariable + "/", "${" + credentialsVariable + "}/"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if credentials == "" {
				return name, &strictyaml.Fault{Message: "$" + credentialsVariable + " is not set", Hint: credentialsHint}
			}
			return filepath.Join(credentials, rest), nil
		}
	}
	if filepath.IsAbs(name) {
		return name, nil
	}
	if isFile && credentials != "" {
		loaded := filepath.Join(credentials, strings.ReplaceAll(filepath.Clean(name), "/", "_"))
		if _, err := os.Stat(loaded); err == nil {
			return loaded, nil
		}
	}
	return filepath.Join(string(base), name), nil
}
