package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// browser is a page of a headless Chromium, controlled through a pipe (Chrome DevTools Protocol).
type browser struct {
	*testing.T

	to       io.Writer
	received chan protocolMessage
	session  string
	lastID   int
	messages []string // errors in the console, failed requests, and violations of policies, since the last open
}

type protocolMessage struct {
	ID     int             `json:"id,omitempty"`
	Method string          `json:"method,omitempty"`
	Params json.RawMessage `json:"params,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  json.RawMessage `json:"error,omitempty"`

	SessionID string `json:"sessionId,omitempty"`
}

const browserTimeout = 3 * time.Minute

// removeProfile removes the files of a browser that was killed. Its child processes can still write some.
func removeProfile(profile string) {
	for range 50 {
		if os.RemoveAll(profile) == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// startBrowser starts Chromium with an empty page. It ends with the test.
func startBrowser(t *testing.T, chromium string) *browser {
	t.Helper()
	fromTest, toBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromBrowser, toTest, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := os.MkdirTemp("", "chromium") //nolint:usetesting // fails if child processes still write files
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--user-data-dir="+profile, "--remote-debugging-pipe", "about:blank")
	command.ExtraFiles = []*os.File{fromTest, toTest} // file descriptors 3 and 4 of the protocol
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = fromTest.Close(), toTest.Close()
	b := &browser{T: t, to: toBrowser, received: make(chan protocolMessage, 1000)}
	go b.receive(fromBrowser)
	t.Cleanup(func() {
		_, _ = command.Process.Kill(), command.Wait()
		_, _ = toBrowser.Close(), fromBrowser.Close()
		removeProfile(profile)
	})
	var target struct{ TargetID, SessionID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// receive reads messages, which end with a zero byte, until the browser ends.
func (b *browser) receive(from io.Reader) {
	defer close(b.received)
	reader := bufio.NewReader(from)
	for {
		text, err := reader.ReadBytes(0)
		if err != nil {
			return
		}
		var message protocolMessage
		if json.Unmarshal(text[:len(text)-1], &message) == nil {
			b.received <- message
		}
	}
}

// next returns the next message, and records errors of the page.
func (b *browser) next() protocolMessage {
	b.Helper()
	select {
	case message, ok := <-b.received:
		if !ok {
			b.Fatal("the browser ended")
		}
		switch message.Method {
		case "Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled":
			b.messages = append(b.messages, string(message.Params))
		}
		return message
	case <-time.After(browserTimeout):
		b.Fatal("no message from the browser")
	}
	return protocolMessage{}
}

// call sends a command and waits for its result.
func (b *browser) call(method string, params, result any) {
	b.Helper()
	if err := b.send(method, params); err != nil {
		b.Fatal(err)
	}
	for {
		message := b.next()
		if message.ID != b.lastID {
			continue
		}
		if message.Error != nil {
			b.Fatalf("%s: %s", method, message.Error)
		}
		if result != nil {
			if err := json.Unmarshal(message.Result, result); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
}

func (b *browser) send(method string, params any) error {
	encoded, err := json.Marshal(params)
	if err != nil {
		return err
	}
	b.lastID++
	text, err := json.Marshal(protocolMessage{ID: b.lastID, Method: method, Params: encoded, SessionID: b.session})
	if err != nil {
		return err
	}
	_, err = b.to.Write(append(text, 0))
	return err
}

// open loads a page with a width in pixels and a color scheme.
func (b *browser) open(address string, width int, scheme string) {
	b.Helper()
	b.messages = nil
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false,
	}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{
		"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}},
	}, nil)
	b.call("Page.navigate", map[string]any{"url": "about:blank"}, nil) // so that another anchor loads the page again
	b.waitForLoad()
	b.call("Page.navigate", map[string]any{"url": address}, nil)
	b.waitForLoad()
}

// navigates runs a script that leads to another page.
func (b *browser) navigates(script string) {
	b.Helper()
	if err := b.send("Runtime.evaluate", map[string]any{"expression": script}); err != nil {
		b.Fatal(err)
	}
	b.waitForLoad()
}

func (b *browser) waitForLoad() {
	b.Helper()
	for b.next().Method != "Page.loadEventFired" {
	}
}

// evaluate returns the value of an expression in the page.
func (b *browser) evaluate(expression string) any {
	b.Helper()
	var result struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true,
	}, &result)
	if result.ExceptionDetails != nil {
		b.Fatal(errors.New(string(result.ExceptionDetails)))
	}
	return result.Result.Value
}

func (b *browser) number(expression string) float64 {
	b.Helper()
	number, ok := b.evaluate(expression).(float64)
	if !ok {
		b.Fatalf("%s is not a number", expression)
	}
	return number
}

func (b *browser) text(expression string) string {
	b.Helper()
	return fmt.Sprint(b.evaluate(expression))
}
