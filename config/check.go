package config

import (
	"fmt"
	"net"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"packseal.example/config/strictyaml"
	"packseal.example/internal/fault"
	"packseal.example/scheduler"
)

// A name becomes part of file names, storage keys, subjects of the queue and
// metric labels: it must be plain in all of them.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// nameHint is namePattern in words.
const nameHint = "letters, digits, dots, dashes and underscores, a letter or digit first, 128 at most"

// maxName bounds what people call a pack: each of its records holds it.
const maxName = 256

func validName(s string) bool { return namePattern.MatchString(s) }

// checker gathers the problems of a configuration that could be decoded.
type checker struct {
	*Config
	problems []fault.Problem
}

// check returns everything that is wrong with the configuration as a whole:
// what takes more than one value to see (names that are there twice, sources
// that nobody has), what packages know better (schedules, backends), and what
// takes a look at the machine (files). It asks no network.
func (c *Config) check() []fault.Problem {
	k := &checker{Config: c}
	k.sources()
	k.defaults()
	k.packs()
	k.sinks()
	k.notices()
	k.rest()
	return k.problems
}

// fail notes a problem at a path such as "packs[2].schedule". The hint says what
// to write instead, and is left out where the message does.
func (k *checker) fail(path, hint, format string, args ...any) {
	k.problems = append(k.problems, fault.Problem{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// name checks a name that must be there.
func (k *checker) name(path, what, name string) {
	switch {
	case name == "":
		k.fail(path, nameHint, "missing: %s needs one", what)
	case !validName(name):
		k.fail(path, nameHint, "%.64q cannot be used as a name", name)
	}
}

// sources checks the names, which become labels, subjects and folders, and has
// each backend look at its own entry.
func (k *checker) sources() {
	if len(k.Sources) == 0 {
		k.fail("sources", "sources: {prod: {cloudconfig: {endpoint: …}}}", "no source: there is nowhere to get reports from")
	}
	for _, name := range k.sourceNames() {
		path := strictyaml.Join("sources", name)
		k.name(path, "a source", name)
		k.backend(path, k.Sources[name])
	}
}

// sinks is the same for sinks, whose names are told apart because metrics and
// findings carry nothing else.
func (k *checker) sinks() {
	if len(k.Sinks) == 0 {
		k.fail("sinks", "sinks: [{name: archive, local: {dir: …}}]", "no sink: there is nowhere to keep reports")
	}
	first := map[string]int{}
	for i, s := range k.Sinks {
		path := fmt.Sprintf("sinks[%d]", i)
		k.ownName("sinks", i, "a sink", s.Name, first)
		k.backend(path, s)
	}
}

// ownName checks the name of an entry that no other entry of the list may
// have; first holds the names so far.
func (k *checker) ownName(list string, i int, what, name string, first map[string]int) {
	path := fmt.Sprintf("%s[%d].name", list, i)
	k.name(path, what, name)
	if j, twice := first[name]; twice && name != "" {
		k.fail(path, "", "%q is the name of %s[%d] too", name, list, j)
	} else {
		first[name] = i
	}
}

// backend checks that the entry has one backend, and lets that check itself.
func (k *checker) backend(path string, entry any) {
	keys, b := chosen[interface{ Check() []fault.Problem }](entry)
	switch len(keys) {
	case 0:
		var all []string
		for key := range backends(reflect.TypeOf(entry)) {
			all = append(all, key)
		}
		k.fail(path, "give it one of: "+strings.Join(all, ", "), "the entry has no backend")
	case 1:
		for _, p := range b.Check() {
			p.Path = strings.TrimSuffix(path+"."+keys[0]+"."+p.Path, ".")
			k.problems = append(k.problems, p)
		}
	default:
		k.fail(path, "make an entry of its own for each", "the entry has %d backends: %s", len(keys), strings.Join(keys, " and "))
	}
}

// defaults checks what holds for all packs once, and not again at each pack.
func (k *checker) defaults() {
	d := k.Defaults
	if d.Source != "" {
		k.source("defaults.source", d.Source)
	}
	k.schedule("defaults", d.Schedule, d.TimeZone)
	k.timeout("defaults.timeout", d.Timeout)
}

// packs checks every pack with its defaults applied, as two entries are the
// same pack only when their sources are the same, named or not.
func (k *checker) packs() {
	if len(k.Packs) == 0 {
		k.fail("packs", "packs: [{id: cp-…}]", "no pack: there is nothing to do")
	}
	first := map[string]int{}
	for i, p := range k.Packs {
		path := fmt.Sprintf("packs[%d]", i)
		k.name(path+".id", "a pack", p.ID)
		if p.Aggregator != "" {
			k.name(path+".aggregator", "a pack", p.Aggregator)
		}
		if len(p.Name) > maxName {
			k.fail(path+".name", "a line that people can read", "%d bytes, of %d at most", len(p.Name), maxName)
		}
		k.schedule(path, p.Schedule, p.TimeZone)
		k.timeout(path+".timeout", p.Timeout)
		full := k.settle(p)
		switch {
		case p.Source != "":
			k.source(path+".source", p.Source)
		case full.Source == "" && len(k.Sources) > 1:
			k.fail(path, "set source here or under defaults: "+strings.Join(k.sourceNames(), ", "), "the pack names no source, and there are %d", len(k.Sources))
		}
		key := strings.Join([]string{full.Source, p.Aggregator, p.ID}, "/")
		if j, twice := first[key]; twice && p.ID != "" {
			k.fail(path+".id", "a pack has one schedule; write one entry that covers both", "the same pack as packs[%d]", j)
		} else {
			first[key] = i
		}
	}
}

// source checks that a source of that name exists.
func (k *checker) source(path, name string) {
	if _, ok := k.Sources[name]; ok || len(k.Sources) == 0 {
		return
	}
	names := k.sourceNames()
	hint := "sources: " + strings.Join(names, ", ")
	if near := strictyaml.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	k.fail(path, hint, "there is no source %.64q", name)
}

// schedule checks a schedule and a zone, as far as they are given here.
func (k *checker) schedule(path, spec, zone string) {
	if zone != "" {
		if _, err := scheduler.ParseSchedule("@hourly", zone); err != nil {
			k.fail(path+".time_zone", fault.Hint(err), "%s", err)
		}
	}
	if spec != "" {
		if _, err := scheduler.ParseSchedule(spec, builtinZone); err != nil {
			k.fail(path+".schedule", fault.Hint(err), "%s", err)
		}
	}
}

// timeout refuses 0, which elsewhere means "none": here it would be a deadline
// that has passed before the first try.
func (k *checker) timeout(path string, d *time.Duration) {
	if d != nil && *d == 0 {
		k.fail(path, "leave it out for the default", "must be more than nothing: every slot would be a gap")
	}
}

// rest checks what stands in the file once.
func (k *checker) rest() {
	if k.StateDir == "" {
		k.fail("state_dir", "leave it out for the default", "empty")
	}
	_, port, err := net.SplitHostPort(k.Web.Listen)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		k.fail("web.listen", "such as 127.0.0.1:9797, or :9797 for all addresses", "%.64q is not an address and a port", k.Web.Listen)
	}
	if f := k.Web.ConfigFile; f != "" {
		if _, err := os.ReadFile(f); err != nil {
			k.fail("web.config_file", "name a file that this user can read", "%s", err)
		}
	}
	if k.Queue != (Queue{}) {
		k.backend("queue", k.Queue)
	}
	if f := k.Fetch; f.PollMin > 0 && f.PollMax > 0 && f.PollMin > f.PollMax {
		k.fail("fetch.poll_min", "", "%s is more than poll_max, %s", f.PollMin, f.PollMax)
	}
	k.oneOf("log.level", k.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", k.Log.Format, "auto", "text", "json")
}

// oneOf checks a value of which there are a few.
func (k *checker) oneOf(path, value string, words ...string) {
	if !slices.Contains(words, value) {
		k.fail(path, "one of: "+strings.Join(words, ", "), "%.64q is not known", value)
	}
}
