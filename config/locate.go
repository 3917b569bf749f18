package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// credentialsVariable names the folder of the credentials that systemd has
// loaded for a service, by LoadCredential= and its like.
const credentialsVariable = "CREDENTIALS_DIRECTORY"

// credentialsHint is for those who start packseal without systemd.
const credentialsHint = "systemd sets it for a service with LoadCredential=; a relative name works with and without it"

// locate makes a whole path of a name in the file.
//
//	/etc/x                       as it stands
//	$CREDENTIALS_DIRECTORY/x     in the folder of the credentials; ${…} too
//	x                            in the folder of the configuration file
//
// A file (not a folder) with a relative name is the credential of that name,
// when there is one: LoadCredential=x:… loads x, and LoadCredential=dir:… of a
// folder loads what is there called x as dir_x. The same configuration thus
// serves the service and the person who has a look at it as root.
func (d *decoder) locate(name string, isFile bool) (string, error) {
	credentials := os.Getenv(credentialsVariable)
	for _, prefix := range []string{"$" + credentialsVariable + "/", "${" + credentialsVariable + "}/"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if credentials == "" {
				return name, fmt.Errorf("$%s is not set", credentialsVariable)
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
	return filepath.Join(d.base, name), nil
}
