package main

import (
	"packseal.example/config"
	"packseal.example/internal/diag"
	"packseal.example/internal/fault"
)

// refuseRoot refuses root where folders that the configuration writes to belong to
// another user, the daemon's: it could not read what root leaves there.
func refuseRoot(cfg *config.Config) error {
	dirs := []string{cfg.StateDir}
	for _, s := range cfg.Sinks {
		if s.Local != nil {
			dirs = append(dirs, s.Local.Dir)
		}
	}
	for _, dir := range dirs {
		if uid, other := diag.OtherOwner(dir); other {
			return fault.New(fault.Denied, "%s belongs to user %d, who could not read what root writes there", dir, uid).
				WithHint("run this as that user: sudo -u '#%d' packseal …, or as docs/install.md says for the systemd unit", uid)
		}
	}
	return nil
}
