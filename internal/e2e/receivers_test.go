package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
)

// message is a notification as a person reads it.
type message struct {
	to          string // channel and address
	title, text string
}

// receivers is Slack, PagerDuty, and a mail server.
type receivers struct {
	*testing.T
	url         string // of Slack and PagerDuty
	smtpAddress string

	mu       sync.Mutex
	messages []message
}

func startReceivers(t *testing.T) *receivers {
	t.Helper()
	r := &receivers{T: t}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /slack", r.receiveSlack)
	mux.HandleFunc("POST /pagerduty", r.receivePagerDuty)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	r.url = server.URL
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	r.smtpAddress = listener.Addr().String()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go r.receiveMail(conn)
		}
	}()
	return r
}

func (r *receivers) add(m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, m)
}

// received returns all messages so far.
func (r *receivers) received() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]message(nil), r.messages...)
}

func (r *receivers) receiveSlack(w http.ResponseWriter, request *http.Request) {
	var payload struct {
		Channel     string
		Attachments []struct{ Title, Text, Color string }
	}
	if err := json.NewDecoder(request.Body).Decode(&payload); err != nil || len(payload.Attachments) != 1 {
		r.Errorf("Slack received %v: %v", payload, err)
		return
	}
	attachment := payload.Attachments[0]
	r.add(message{
		to:    fmt.Sprintf("Slack, channel %s, color %s", payload.Channel, attachment.Color),
		title: attachment.Title, text: attachment.Text,
	})
	_, _ = io.WriteString(w, "ok")
}

func (r *receivers) receivePagerDuty(w http.ResponseWriter, request *http.Request) {
	var payload struct {
		RoutingKey string `json:"routing_key"`
		Action     string `json:"event_action"`
		Payload    struct {
			Summary, Severity string
			Details           map[string]string `json:"custom_details"`
		}
	}
	if err := json.NewDecoder(request.Body).Decode(&payload); err != nil {
		r.Errorf("PagerDuty received %v: %v", payload, err)
		return
	}
	r.add(message{
		to:    fmt.Sprintf("PagerDuty, %s, %s, severity %s", payload.RoutingKey, payload.Action, payload.Payload.Severity),
		title: payload.Payload.Summary, text: payload.Payload.Details["firing"],
	})
	w.WriteHeader(http.StatusAccepted)
}

// receiveMail accepts mails over one connection.
func (r *receivers) receiveMail(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	lines := bufio.NewReader(conn)
	reply := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	reply("220 ready")
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "DATA":
			reply("354 send the mail")
			var data strings.Builder
			for line, err = lines.ReadString('\n'); err == nil && line != ".\r\n"; line, err = lines.ReadString('\n') {
				data.WriteString(strings.TrimPrefix(line, "."))
			}
			r.addMail(data.String())
			reply("250 accepted")
		case "QUIT":
			reply("221 bye")
			return
		default:
			reply("250 ok")
		}
	}
}

// addMail parses a mail that consists of one text.
func (r *receivers) addMail(data string) {
	parsed, err := mail.ReadMessage(strings.NewReader(data))
	if err != nil {
		r.Error(err)
		return
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil {
		r.Error(err)
	}
	_, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		r.Error(err)
	}
	part, err := multipart.NewReader(parsed.Body, parameters["boundary"]).NextRawPart()
	if err != nil {
		r.Error(err)
		return
	}
	text, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil || !strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain") {
		r.Errorf("mail of type %s: %v", part.Header.Get("Content-Type"), err)
	}
	r.add(message{
		to: "E-mail to " + parsed.Header.Get("To"), title: subject,
		text: strings.ReplaceAll(string(text), "\r\n", "\n"),
	})
}
