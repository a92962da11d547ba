package recovery

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// attrsOf returns the attributes of a panic of step, or "" if there was none.
func attrsOf(t *testing.T, step func()) string {
	t.Helper()
	var attrs []slog.Attr
	if panicked := Do(step, func(value any) { attrs = Attrs(value) }); panicked != (attrs != nil) {
		t.Errorf("Do returned %t, but onPanic got %v", panicked, attrs)
	}
	if attrs == nil {
		return ""
	}
	return fmt.Sprint(attrs)
}

func TestDo_DoesNotCallOnPanicIfStepReturns(t *testing.T) {
	ran := false
	if attrs := attrsOf(t, func() { ran = true }); attrs != "" || !ran {
		t.Errorf("ran: %t, attributes: %s", ran, attrs)
	}
}

func TestDo_LetsOnPanicPanicAgain(t *testing.T) {
	defer func() {
		if value := recover(); value != "again" {
			t.Errorf("recovered %v", value)
		}
	}()
	Do(func() { panic("first") }, func(any) { panic("again") })
}

func failingStep() { panic(errors.New("secret-token")) }

func TestAttrs_ContainTypeAndStackButNotTheText(t *testing.T) {
	attrs := attrsOf(t, failingStep)
	for _, want := range []string{"type=*errors.errorString", "recovery.failingStep"} {
		if !strings.Contains(attrs, want) {
			t.Errorf("no %q in %s", want, attrs)
		}
	}
	if strings.Contains(attrs, "secret-token") {
		t.Errorf("the text of the panic is in %s", attrs)
	}
}

func TestAttrs_ContainNoTextOfAPanickingString(t *testing.T) {
	if attrs := attrsOf(t, func() { panic("secret-token") }); strings.Contains(attrs, "secret-token") {
		t.Errorf("the text of the panic is in %s", attrs)
	}
}

func TestAttrs_ContainErrorsOfTheRuntime(t *testing.T) {
	var values map[string]int
	if attrs := attrsOf(t, func() { values["key"] = 1 }); !strings.Contains(attrs, "assignment to entry in nil map") {
		t.Errorf("no error in %s", attrs)
	}
}
