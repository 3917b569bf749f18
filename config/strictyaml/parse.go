package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// parse returns the root mapping of the one document in the text.
func parse(text []byte, o Options) (*yaml.Node, *Fault) {
	fail := func(line int, hint, format string, args ...any) (*yaml.Node, *Fault) {
		return nil, &Fault{Line: line, Message: fmt.Sprintf(format, args...), Hint: hint}
	}
	if len(text) > o.MaxBytes {
		return fail(0, "", "the file is over %d MiB", o.MaxBytes>>20)
	}
	if line := invalidUTF8(text); line > 0 {
		return fail(line, "save the file as UTF-8", "the text is not UTF-8")
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) || err == nil && doc.Content[0].ShortTag() == "!!null" {
		if o.MayBeEmpty {
			return &yaml.Node{Kind: yaml.MappingNode}, nil
		}
		return fail(0, o.EmptyHint, "the file is empty")
	}
	if err == nil {
		if err = dec.Decode(&second); errors.Is(err, io.EOF) {
			root := doc.Content[0]
			if root.Kind != yaml.MappingNode {
				return fail(root.Line, o.EmptyHint, "expected keys and values, found %s", found(root))
			}
			return root, nil
		}
	}
	if err != nil {
		line, message := syntax(err)
		return fail(line, syntaxHint(message), "%s", message)
	}
	return fail(second.Line, `remove the "---" line and what follows it, or join the two`, "a second document begins here")
}

// invalidUTF8 returns the line of the first byte that is not UTF-8, or 0.
func invalidUTF8(b []byte) int {
	line := 1
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			return line
		}
		if r == '\n' {
			line++
		}
		b = b[size:]
	}
	return 0
}

// syntax takes the line off the YAML package's message.
func syntax(err error) (line int, message string) {
	m := regexp.MustCompile(`^yaml: (?:line (\d+): )?`).FindStringSubmatch(err.Error())
	if m == nil {
		return 0, err.Error()
	}
	line, _ = strconv.Atoi(m[1])
	return line, err.Error()[len(m[0]):]
}

// syntaxHint explains the most common messages.
func syntaxHint(message string) string {
	switch {
	case strings.Contains(message, "cannot start any token"):
		return "indent with spaces, not tabs, and quote values that begin with @, `, % or *"
	case strings.Contains(message, "mapping values are not allowed"):
		return "check the indentation; quote values that hold a colon and a space"
	case strings.Contains(message, "did not find expected"):
		return "check the indentation, the quotes and the brackets above"
	}
	return ""
}
