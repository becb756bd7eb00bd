package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"time"

	"github.com/hashicorp/go-hclog"
)

// hclogVector is one call of a logger and the line it writes.
type hclogVector struct {
	Name string `json:"name"`
	Call string `json:"call"`
	Line string `json:"line"`
}

type hclogCase struct {
	name string
	call func(log hclog.Logger)
}

// fixedTime is when everything is logged, unless a case says otherwise.
var fixedTime = time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)

type nested struct {
	Public  string `json:"public"`
	Inner   *nested
	private int
}

type named string

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errors.New("cannot") }

type textual struct{}

func (textual) MarshalText() ([]byte, error) { return []byte("as text"), nil }

type jsonError struct{ Code int }

func (jsonError) Error() string { return "the text" }

func (e jsonError) MarshalJSON() ([]byte, error) {
	return []byte(fmt.Sprintf(`{"code":%d}`, e.Code)), nil
}

var hclogCases = []hclogCase{
	{"trace", func(log hclog.Logger) { log.Trace("m", "k", "v") }},
	{"debug", func(log hclog.Logger) { log.Debug("m", "k", "v") }},
	{"info", func(log hclog.Logger) { log.Info("m", "k", "v") }},
	{"warn", func(log hclog.Logger) { log.Warn("m", "k", "v") }},
	{"error", func(log hclog.Logger) { log.Error("m", "k", "v") }},
	{"no level", func(log hclog.Logger) { log.Log(hclog.NoLevel, "m") }},
	{"no pairs", func(log hclog.Logger) { log.Info("m") }},
	{"empty message", func(log hclog.Logger) { log.Info("") }},
	{"message with newline", func(log hclog.Logger) { log.Info("a\nb\r\tc\x00\x7f") }},
	{"message with specials", func(log hclog.Logger) { log.Info("<&> \"quoted\" back\\slash") }},
	{"unicode", func(log hclog.Logger) { log.Info("ünï ☃ 😀 \u2028\u2029", "schlüssel", "wért") }},
	{"invalid UTF-8", func(log hclog.Logger) { log.Info("a\xffb", "k", "\xc3") }},
	{"sorted keys", func(log hclog.Logger) { log.Info("m", "z", 1, "A", 2, "a", 3, "_", 4, "é", 5, "-", 6) }},
	{"same key twice", func(log hclog.Logger) { log.Info("m", "k", 1, "k", 2) }},
	{"built-in keys", func(log hclog.Logger) { log.Info("m", "@level", "mine", "@message", 1, "@timestamp", nil) }},
	{"empty key", func(log hclog.Logger) { log.Info("m", "", "v") }},
	{"key of another type", func(log hclog.Logger) { log.Info("m", 1, "a", named("n"), "b", nil, "c") }},
	{"odd number", func(log hclog.Logger) { log.Info("m", "k", "v", "extra") }},
	{"one extra", func(log hclog.Logger) { log.Info("m", "extra") }},
	{"extra nil", func(log hclog.Logger) { log.Info("m", nil) }},

	{"integers", func(log hclog.Logger) { log.Info("m", "a", 1, "b", int64(-1<<63), "c", uint64(math.MaxUint64)) }},
	{"floats", func(log hclog.Logger) { log.Info("m", "a", 1.0, "b", 1.5, "c", 1e20, "d", 1e21, "e", 1e-6, "f", 1e-7) }},
	{"float32", func(log hclog.Logger) { log.Info("m", "k", float32(0.1)) }},
	{"negative zero", func(log hclog.Logger) { log.Info("m", "k", math.Copysign(0, -1)) }},
	{"NaN", func(log hclog.Logger) { log.Info("m", "k", math.NaN(), "other", 1) }},
	{"infinity", func(log hclog.Logger) { log.Info("m", "k", math.Inf(1)) }},
	{"booleans and nil", func(log hclog.Logger) { log.Info("m", "t", true, "f", false, "n", nil) }},
	{"bytes", func(log hclog.Logger) { log.Info("m", "k", []byte("bytes\x00\xff")) }},
	{"lists", func(log hclog.Logger) { log.Info("m", "k", []any{1, "a", nil}, "nil", []int(nil), "empty", []int{}) }},
	{"map", func(log hclog.Logger) {
		log.Info("m", "k", map[string]any{"b": 1, "a": map[int]string{2: "x", 10: "y"}})
	}},
	{"struct", func(log hclog.Logger) { log.Info("m", "k", nested{"p", &nested{Public: "<&>"}, 1}) }},
	{"nil pointer", func(log hclog.Logger) { log.Info("m", "k", (*nested)(nil)) }},
	{"error", func(log hclog.Logger) { log.Info("m", "k", errors.New("the <error>")) }},
	{"wrapped error", func(log hclog.Logger) { log.Info("m", "k", fmt.Errorf("outer: %w", errors.New("inner"))) }},
	{"error with JSON", func(log hclog.Logger) { log.Info("m", "k", jsonError{7}) }},
	{"text marshaler", func(log hclog.Logger) { log.Info("m", "k", textual{}) }},
	{"failing marshaler", func(log hclog.Logger) { log.Info("m", "k", failing{}) }},
	{"time", func(log hclog.Logger) { log.Info("m", "k", time.Date(2026, 1, 2, 3, 4, 5, 600000000, time.UTC)) }},
	{"duration", func(log hclog.Logger) { log.Info("m", "k", 1500*time.Millisecond) }},
	{"level value", func(log hclog.Logger) { log.Info("m", "k", hclog.Warn) }},
	{"formatted value", func(log hclog.Logger) { log.Info("m", "k", hclog.Fmt("%d of %s", 1, "x")) }},
	{"number formats", func(log hclog.Logger) { log.Info("m", "x", hclog.Hex(255), "o", hclog.Octal(8), "b", hclog.Binary(5)) }},
	{"quoted value", func(log hclog.Logger) { log.Info("m", "k", hclog.Quote("a\nb")) }},
	{"function", func(log hclog.Logger) { log.Info("m", "k", func() {}, "other", 1) }},
	{"channel", func(log hclog.Logger) { log.Info("m", "k", make(chan int)) }},
	{"complex number", func(log hclog.Logger) { log.Info("m", "k", complex(1, 2)) }},
	{"stack trace", func(log hclog.Logger) { log.Error("m", "k", "v", hclog.Stacktrace()) }},

	{"named", func(log hclog.Logger) { log.Named("a").Info("m") }},
	{"named twice", func(log hclog.Logger) { log.Named("a").Named("b").Info("m") }},
	{"reset name", func(log hclog.Logger) { log.Named("a").ResetNamed("c").Info("m") }},
	{"with", func(log hclog.Logger) { log.With("w", 1).Info("m", "k", 2) }},
	{"with twice", func(log hclog.Logger) { log.With("b", 1, "a", 1).With("b", 2).Info("m") }},
	{"with and the same pair", func(log hclog.Logger) { log.With("k", 1).Info("m", "k", 2) }},
	{"with an odd number", func(log hclog.Logger) { log.With("k", 1, "extra").Info("m") }},
	{"with, named", func(log hclog.Logger) { log.Named("a").With("w", 1).Named("b").Info("m") }},
}

// optionCases are about the logger's options, so they make their own.
var optionCases = []hclogCase{
	{"named by options", func(log hclog.Logger) { withOptions(log, hclog.LoggerOptions{Name: "top"}).Named("a").Info("m") }},
	{"no HTML escapes", func(log hclog.Logger) {
		withOptions(log, hclog.LoggerOptions{JSONEscapeDisabled: true}).Info("<&>", "k", "<&>")
	}},
	{"no time", func(log hclog.Logger) { withOptions(log, hclog.LoggerOptions{DisableTime: true}).Info("m") }},
	{"location", func(log hclog.Logger) { withOptions(log, hclog.LoggerOptions{IncludeLocation: true}).Info("m") }},
	{"time in a zone", func(log hclog.Logger) {
		east := fixedTime.In(time.FixedZone("", 2*60*60))
		withOptions(log, hclog.LoggerOptions{TimeFn: func() time.Time { return east }}).Info("m")
	}},
	{"time without fraction", func(log hclog.Logger) {
		whole := fixedTime.Truncate(time.Second)
		withOptions(log, hclog.LoggerOptions{TimeFn: func() time.Time { return whole }}).Info("m")
	}},
	{"time with nanoseconds", func(log hclog.Logger) {
		exact := fixedTime.Add(999)
		withOptions(log, hclog.LoggerOptions{TimeFn: func() time.Time { return exact }}).Info("m")
	}},
	{"below the level", func(log hclog.Logger) { withOptions(log, hclog.LoggerOptions{Level: hclog.Warn}).Info("m") }},
}

// captured is a logger that carries the buffer it writes to.
type captured struct {
	hclog.Logger
	buffer *bytes.Buffer
}

func newCaptured(buffer *bytes.Buffer, options hclog.LoggerOptions) captured {
	options.Output, options.JSONFormat = buffer, true
	if options.Level == hclog.NoLevel {
		options.Level = hclog.Trace
	}
	if options.TimeFn == nil {
		options.TimeFn = func() time.Time { return fixedTime }
	}
	return captured{hclog.New(&options), buffer}
}

// withOptions returns a logger with other options that writes to the same buffer.
func withOptions(log hclog.Logger, options hclog.LoggerOptions) hclog.Logger {
	return newCaptured(log.(captured).buffer, options).Logger
}

func recordHclog(string) (any, error) {
	calls, err := callTexts()
	if err != nil {
		return nil, err
	}
	var vectors []hclogVector
	for _, one := range append(hclogCases, optionCases...) {
		var buffer bytes.Buffer
		one.call(newCaptured(&buffer, hclog.LoggerOptions{}))
		if buffer.Len() > 0 && !json.Valid(buffer.Bytes()) {
			return nil, fmt.Errorf("%s: not JSON: %s", one.name, buffer.Bytes())
		}
		vectors = append(vectors, hclogVector{one.name, calls[len(vectors)], buffer.String()})
	}
	return vectors, nil
}

//go:embed hclog.go
var ownSource string

// callTexts returns the source text of all cases' functions in order.
func callTexts() ([]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "hclog.go", ownSource, 0)
	if err != nil {
		return nil, err
	}
	at := func(position token.Pos) int { return files.Position(position).Offset }
	var texts []string
	ast.Inspect(file, func(node ast.Node) bool {
		element, ok := node.(*ast.CompositeLit)
		if !ok || len(element.Elts) != 2 {
			return true
		}
		function, ok := element.Elts[1].(*ast.FuncLit)
		if !ok {
			return true
		}
		statements := function.Body.List
		texts = append(texts, ownSource[at(statements[0].Pos()):at(statements[len(statements)-1].End())])
		return false
	})
	if want := len(hclogCases) + len(optionCases); len(texts) != want {
		return nil, fmt.Errorf("%d texts of %d calls", len(texts), want)
	}
	return texts, nil
}
