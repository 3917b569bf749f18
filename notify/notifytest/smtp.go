package notifytest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"sync"
)

// Mail is an SMTP server for one connection after the other. It wants a TLS
// connection and a login before it takes mail.
type Mail struct {
	Config   *tls.Config // nil = it does without TLS
	Implicit bool        // TLS from the beginning
	User     string      // empty = no login
	Password string
	Refuse   map[string]string // command → the answer to it, such as "550 no such user"

	mu    sync.Mutex
	taken []Letter
}

// Letter is a mail that the server took.
type Letter struct {
	From     string
	To       []string
	Header   mail.Header
	Subject  string // decoded
	Text     string // decoded
	Password bool   // it was taken after a login
	TLS      bool
}

// Taken returns what the server took.
func (m *Mail) Taken() []Letter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]Letter(nil), m.taken...)
}

// Serve serves until the listener is closed.
func (m *Mail) Serve(l net.Listener) {
	if m.Implicit {
		l = tls.NewListener(l, m.Config)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go m.session(conn)
	}
}

// session serves one connection.
func (m *Mail) session(conn net.Conn) {
	defer func() { conn.Close() }() //nolint:errcheck // of a test
	secure, loggedIn := m.Implicit, false
	letter := Letter{}
	text := textproto.NewConn(conn)
	say := func(line string) { text.PrintfLine("%s", line) } //nolint:errcheck // the next read fails as well
	say("220 mail.example ESMTP")
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		switch answer, refused := m.Refuse[verb]; {
		case refused:
			say(answer)
		case verb == "EHLO":
			say("250-mail.example")
			if m.Config != nil && !secure {
				say("250-STARTTLS")
			}
			if m.User != "" {
				say("250-AUTH PLAIN")
			}
			say("250 8BITMIME")
		case verb == "STARTTLS" && m.Config != nil && !secure:
			say("220 go ahead")
			upgraded := tls.Server(conn, m.Config)
			conn, secure, text = upgraded, true, textproto.NewConn(upgraded)
		case verb == "AUTH":
			loggedIn = m.login(rest)
			say(map[bool]string{true: "235 welcome", false: "535 5.7.8 Authentication credentials invalid: " + m.Password}[loggedIn])
		case m.Config != nil && !secure:
			say("530 Must issue a STARTTLS command first")
		case m.User != "" && !loggedIn && verb == "MAIL":
			say("530 Authentication required")
		case verb == "MAIL":
			letter = Letter{From: rest, Password: loggedIn, TLS: secure}
			say("250 ok")
		case verb == "RCPT":
			letter.To = append(letter.To, rest)
			say("250 ok")
		case verb == "DATA":
			say("354 go ahead")
			body, err := io.ReadAll(text.DotReader())
			if err != nil {
				return
			}
			say(m.take(letter, body))
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// login checks AUTH PLAIN.
func (m *Mail) login(rest string) bool {
	_, encoded, _ := strings.Cut(rest, " ")
	b, err := base64.StdEncoding.DecodeString(encoded)
	return err == nil && bytes.Equal(b, []byte("\x00"+m.User+"\x00"+m.Password))
}

// take reads a mail and returns the answer to it.
func (m *Mail) take(l Letter, body []byte) string {
	if answer := m.Refuse["."]; answer != "" {
		return answer
	}
	message, err := mail.ReadMessage(bufio.NewReader(bytes.NewReader(body)))
	if err != nil {
		return fmt.Sprintf("554 %v", err)
	}
	var content io.Reader = message.Body
	switch message.Header.Get("Content-Transfer-Encoding") {
	case "quoted-printable":
		content = quotedprintable.NewReader(content)
	case "base64":
		content = base64.NewDecoder(base64.StdEncoding, content)
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return fmt.Sprintf("554 %v", err)
	}
	l.Header, l.Text = message.Header, string(text)
	if l.Subject, err = new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject")); err != nil {
		return fmt.Sprintf("554 %v", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken = append(m.taken, l)
	return "250 queued"
}
