package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"packseal.example/config/strictyaml"
	"packseal.example/internal/evidence"
	"packseal.example/internal/fault"
	"packseal.example/internal/units"
)

// namePattern matches names that are safe as file names, in storage keys, in
// subjects of the queue and as metric labels.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// nameHint is namePattern in words.
const nameHint = "use letters, digits, dots, dashes and underscores, starting with a letter or digit, 128 at most"

func validName(s string) bool { return namePattern.MatchString(s) }

// checker collects the problems of a decoded configuration.
type checker struct {
	*Config
	problems  []fault.Problem
	intervals map[[2]string]time.Duration // the shortest between two slots, by schedule and zone
}

// check returns everything that is wrong with the configuration as a whole:
// what takes more than one value to see (duplicate names, unknown sources), what
// other packages know (schedules, backends), and what depends on the machine
// (files). It does not use the network.
func (c *Config) check() []fault.Problem {
	k := &checker{Config: c, intervals: map[[2]string]time.Duration{}}
	k.sources()
	k.defaults()
	k.packs()
	k.sinks()
	k.notices()
	k.ledger()
	k.retention()
	k.rest()
	return k.problems
}

// fail records a problem at a path such as "packs[2].schedule". The hint says
// what to write instead, and is empty where the message does.
func (k *checker) fail(path, hint, format string, args ...any) {
	k.problems = append(k.problems, fault.Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// name checks a name that is required.
func (k *checker) name(path, what, name string) {
	switch {
	case name == "":
		k.fail(path, nameHint, "missing: %s needs one", what)
	case !validName(name):
		k.fail(path, nameHint, "%.64q cannot be used as a name", name)
	}
}

// memberName matches <source>.<account ID>, the source of a member account of a
// Resource Directory.
var memberName = regexp.MustCompile(`\.[0-9]+$`)

// sources checks the names, which become labels, subjects and folders, and has
// each backend check its own entry.
func (k *checker) sources() {
	if len(k.Sources) == 0 {
		k.fail("sources", "sources: {prod: {cloudconfig: {endpoint: …}}}", "no source is configured")
	}
	for _, name := range k.sourceNames() {
		path := strictyaml.Join("sources", name)
		k.name(path, "a source", name)
		if evidence.Reserved(name) {
			k.fail(path, "choose another name", "names that begin with %q are reserved for packseal's own objects in the sinks", evidence.ReservedPrefix)
		}
		if id := memberName.FindString(name); id != "" {
			k.fail(path, "choose a name that does not end in a dot and digits", "the name is reserved for the member account %.64s of a source %.64q with accounts", id[1:], strings.TrimSuffix(name, id))
		}
		k.backend(path, k.Sources[name], isTrue(k.Sources[name].Enabled))
		k.keptIn(path+".sinks", k.Sources[name].Sinks)
		k.accounts(path, name, k.Sources[name])
		k.discover(path+".discover", k.Sources[name].Discover)
	}
}

// sinks does the same for sinks. Their names are unique: metrics and problems
// carry nothing else.
func (k *checker) sinks() {
	if len(k.Sinks) == 0 {
		k.fail("sinks", "sinks: [{name: archive, local: {dir: …}}]", "no sink is configured")
	}
	first := map[string]int{}
	for i, s := range k.Sinks {
		k.uniqueName("sinks", i, "a sink", s.Name, first)
		k.backend(fmt.Sprintf("sinks[%d]", i), s, true)
	}
	k.unused()
}

// keptIn checks a choice of the sinks that keep reports.
func (k *checker) keptIn(path string, names []string) {
	if names == nil || len(k.Sinks) == 0 {
		return
	}
	var known []string
	for _, s := range k.Sinks {
		known = append(known, s.Name)
	}
	for i, name := range names {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case slices.Contains(names[:i], name):
			k.fail(at, "", "the sink %.64q is named twice", name)
		case !slices.Contains(known, name):
			k.unknown(at, "sink", name, known)
		}
	}
	if first := known[0]; !slices.Contains(names, first) {
		k.fail(path, fmt.Sprintf("add %q", first), "lacks %.64q, the first sink, which keeps every report and decides", first)
	}
}

// unused warns of a sink that no pack's reports are kept in.
func (k *checker) unused() {
	used := make(map[string]bool)
	use := func(p Pack) {
		names := k.withDefaults(p).Sinks
		for _, s := range k.Sinks {
			used[s.Name] = used[s.Name] || names == nil || slices.Contains(names, s.Name)
		}
	}
	for _, p := range k.Packs {
		use(p)
	}
	for _, name := range k.sourceNames() {
		for _, r := range k.Sources[name].Discover.Rules {
			p := r.pack()
			p.Source = name
			use(p)
		}
	}
	for i, s := range k.Sinks {
		if len(used) > 0 && !used[s.Name] {
			k.problems = append(k.problems, fault.Problem{
				Path: fmt.Sprintf("sinks[%d]", i), Warning: true, Message: "no pack's reports are kept in it",
				Hint: "name it in the sinks of packs, of a source or of defaults, or remove it",
			})
		}
	}
}

// unknown records that nothing of that name is there, and what may have been meant.
func (k *checker) unknown(path, what, name string, known []string) {
	hint := what + "s: " + strings.Join(known, ", ")
	if near := strictyaml.Nearest(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	k.fail(path, hint, "there is no %s %.64q", what, name)
}

// uniqueName checks the name of an entry, which no other entry of the list may
// have; first has the indices of the names so far.
func (k *checker) uniqueName(list string, i int, what, name string, first map[string]int) {
	path := fmt.Sprintf("%s[%d].name", list, i)
	k.name(path, what, name)
	if j, twice := first[name]; twice && name != "" {
		k.fail(path, "", "duplicate name %q, first used by %s[%d]", name, list, j)
	} else {
		first[name] = i
	}
}

// backend checks that the entry has one backend, and has that check itself. The files
// of one that is not enabled need not be there.
func (k *checker) backend(path string, entry any, enabled bool) {
	keys, b := chosen[backend](entry)
	switch len(keys) {
	case 0:
		var all []string
		for key := range backends(reflect.TypeOf(entry)) {
			all = append(all, key)
		}
		k.fail(path, "set one of: "+strings.Join(all, ", "), "no backend is set")
	case 1:
		for _, p := range b.Check() {
			if !enabled && namesFile(p.Path) {
				continue
			}
			p.Path = strings.TrimSuffix(path+"."+keys[0]+"."+p.Path, ".")
			k.problems = append(k.problems, p)
		}
	default:
		k.fail(path, "use one entry for each", "%d backends are set: %s", len(keys), strings.Join(keys, " and "))
	}
}

// rest checks the settings that are in the file once.
func (k *checker) rest() {
	if k.StateDir == "" {
		k.fail("state_dir", "leave it out for the default", "must not be empty")
	}
	k.web()
	if k.Queue != (Queue{}) {
		k.backend("queue", k.Queue, true)
	}
	if f := k.Fetch; f.PollMin > 0 && f.PollMax > 0 && f.PollMin > f.PollMax {
		k.fail("fetch.poll_min", "", "%s is more than poll_max, %s", units.FormatDuration(f.PollMin), units.FormatDuration(f.PollMax))
	}
	k.schedule("verify", k.Verify.Schedule, k.Verify.TimeZone)
	if k.Verify.TimeZone != "" && k.Verify.Schedule == "" {
		k.fail("verify.schedule", `for example "0 4 * * SUN"`, "missing: a time zone alone verifies nothing")
	}
	if _, err := units.ParseShare(k.Verify.Share); err != nil {
		k.fail("verify.share", "for example 5%", "%v", err)
	}
	if (k.Verify.Share != "" || k.Verify.Repair) && k.Verify.Schedule == "" {
		k.fail("verify.schedule", `for example "0 4 * * *"`, "missing: when is it to be verified?")
	}
	k.oneOf("log.level", k.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", k.Log.Format, "auto", "text", "json")
}

// web checks how the page is served.
func (k *checker) web() {
	w := k.Web
	host, port, err := net.SplitHostPort(w.Listen)
	n, perr := strconv.Atoi(port)
	switch {
	case err != nil || perr != nil || n < 0 || n > 65535:
		k.fail("web.listen", "for example 127.0.0.1:9797, or :9797 for all addresses", "%.64q is not an address and a port", w.Listen)
	case w.ConfigFile == "" && !w.AllowOpen && host != "localhost" && !net.ParseIP(host).IsLoopback():
		k.problems = append(k.problems, fault.Problem{
			Path: "web.listen", Warning: true, Message: "other machines reach the page and the metrics without TLS or a password",
			Hint: "listen on 127.0.0.1:9797, or name a config_file with TLS and passwords; if a firewall or a proxy protects it, set allow_open: true",
		})
	}
	if w.ExternalURL != "" {
		u, err := url.Parse(w.ExternalURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			k.fail("web.external_url", "for example https://packseal.example.com", "%.200q is not the address of a page", w.ExternalURL)
		}
	}
	if w.ConfigFile != "" {
		if _, err := os.ReadFile(w.ConfigFile); err != nil {
			k.fail("web.config_file", "name a file that packseal can read", "%s", err)
		}
	}
}

// oneOf checks a value that must be one of some words.
func (k *checker) oneOf(path, value string, words ...string) {
	if !slices.Contains(words, value) {
		k.fail(path, "one of: "+strings.Join(words, ", "), "unknown value %.64q", value)
	}
}
