package main

import (
	"fmt"
	"strings"
)

// stderrVector is a plugin's stderr and what the host logs of it.
type stderrVector struct {
	Name   string  `json:"name"`
	Stderr text    `json:"stderr"`
	Logged any     `json:"logged"`
	Raw    *text   `json:"raw"`
	Panic  *string `json:"panic"`
}

type stderrCase struct{ name, stderr string }

func recordStderr(string) (any, error) {
	return each(stderrCases(), logOf)
}

func logOf(one stderrCase) (stderrVector, error) {
	outcome, err := runHostCase(hostCase{
		Script:       stubScript{Stdout: []byte(line()), Stderr: []byte(one.stderr)},
		Options:      plain,
		StartTimeout: longTimeout,
		AwaitExit:    true,
	})
	vector := stderrVector{Name: one.name, Stderr: text(one.stderr)}
	if outcome.Panic != "" {
		vector.Panic = &outcome.Panic
		return vector, err
	}
	if outcome.Accepted == nil && err == nil {
		err = fmt.Errorf("%s: %s", one.name, outcome.Error)
	}
	raw := text(outcome.Raw)
	vector.Logged, vector.Raw = outcome.Logged, &raw
	return vector, err
}

func stderrCases() []stderrCase {
	var cases []stderrCase
	cases = append(cases, plainTextCases()...)
	cases = append(cases, panicCases()...)
	cases = append(cases, longLineCases()...)
	cases = append(cases, levelCases()...)
	cases = append(cases, timestampCases()...)
	return append(cases, jsonCases()...)
}

func plainTextCases() []stderrCase {
	var cases []stderrCase
	for _, line := range []string{
		"[TRACE] x", "[DEBUG] x", "[INFO] x", "[WARN] x", "[ERROR] x",
		"[INFO]x", "[INFO]", "[ERR] x", "[WARNING] x", "[info] x", " [INFO] x", "[INFO", "x [ERROR] y",
		"2026-01-02T03:04:05.000Z [ERROR] x", "plain", " leading and trailing ", "tab\tinside", "ünïcode", "",
	} {
		cases = append(cases, stderrCase{fmt.Sprintf("text %q", line), line + "\n"})
	}
	return append(cases,
		stderrCase{"nothing", ""},
		stderrCase{"no final newline", "one\ntwo"},
		stderrCase{"carriage returns", "one\r\n[WARN] two\r\n{\"@level\":\"info\",\"@message\":\"three\"}\r\nin\rside\r\r\n"},
		stderrCase{"several lines", "[INFO] one\ntwo\n\n[ERROR] three\n"},
		stderrCase{"Python traceback", "Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\nValueError: x\n"},
	)
}

func panicCases() []stderrCase {
	jsonLine := `{"@level":"info","@message":"json"}` + "\n"
	return []stderrCase{
		{"panic", "before\npanic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/x/main.go:1 +0x1\nexit status 2\n"},
		{"fatal error", "fatal error: all goroutines are asleep - deadlock!\ngoroutine 1 [select]:\n"},
		{"text with level during a panic", "panic: boom\n[INFO] tagged\nuntagged\n"},
		{"JSON during a panic", "panic: boom\n" + jsonLine + "untagged\n"},
		{"JSON without level during a panic", "panic: boom\n{\"a\":1}\nuntagged\n"},
		{"panic not at the start", " panic: boom\nmore\n"},
		{"panic without blank", "panic:boom\nmore\n"},
		{"panic tagged", "[ERROR] panic: boom\nmore\n"},
		{"panic inside JSON", `{"@level":"info","@message":"panic: boom"}` + "\nmore\n"},
	}
}

func longLineCases() []stderrCase {
	json := func(length int) string {
		const head, tail = `{"@level":"warn","@message":"`, `"}`
		return head + strings.Repeat("x", length-len(head)-len(tail)) + tail + "\n"
	}
	return []stderrCase{
		{"text of 65535 bytes", strings.Repeat("x", 65535) + "\n"},
		{"text of 65536 bytes", strings.Repeat("x", 65536) + "\n"},
		{"text of 65537 bytes", strings.Repeat("x", 65537) + "\n"},
		{"text of 65535 bytes and CRLF", strings.Repeat("x", 65535) + "\r\n"},
		{"text of 140000 bytes", strings.Repeat("x", 140000) + "\nnext\n"},
		{"long text with level", "[ERROR] " + strings.Repeat("x", 70000) + "\n[ERROR] next\n"},
		{"long panic", "panic: " + strings.Repeat("x", 70000) + "\nnext\n"},
		{"JSON of 65535 bytes", json(65535)},
		{"JSON of 65536 bytes", json(65536)},
		{"JSON of 65537 bytes", json(65537)},
		{"JSON of 70000 bytes", json(70000) + json(100)},
		{"long line without final newline", strings.Repeat("x", 70000)},
	}
}

func levelCases() []stderrCase {
	var cases []stderrCase
	for _, level := range []string{
		"trace", "debug", "info", "warn", "error", "INFO", "Warn", " info ", "\tinfo\n",
		"warning", "err", "fatal", "critical", "panic", "off", "all", "none", "", "3",
	} {
		cases = append(cases, stderrCase{
			fmt.Sprintf("level %q", level), fmt.Sprintf("{\"@level\":%q,\"@message\":\"m\",\"k\":\"v\"}\n", level),
		})
	}
	return append(cases,
		stderrCase{"level missing", `{"@message":"m","k":"v"}` + "\n"},
		stderrCase{"level is a number", `{"@level":3,"@message":"m"}` + "\n"},
		stderrCase{"level is null", `{"@level":null,"@message":"m"}` + "\n"},
	)
}

func timestampCases() []stderrCase {
	var cases []stderrCase
	for _, timestamp := range []string{
		"2026-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901+02:00", "2026-01-02T03:04:05.678901-11:30",
		"2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:05.678901+00:00",
		"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678901234Z",
		"2026-01-02T03:04:05.67890Z", "2026-01-02T03:04:05,678901Z", "2026-01-02T03:04:05.678901",
		"2026-01-02T03:04:05.678901+0000", "2026-01-02T03:04:05.678901+02", "2026-01-02T03:04:05.678901z",
		"2026-01-02T03:04:05.678901 Z", " 2026-01-02T03:04:05.678901Z", "2026-01-02 03:04:05.678901Z",
		"2026-02-30T03:04:05.678901Z", "2026-01-02T24:00:00.000000Z", "2026-01-02T03:04:60.000000Z",
		"26-01-02T03:04:05.678901Z", "2026-01-02T03:04:05.678901+24:00", "2026-01-02T03:04:05.678901+25:00",
		"2026-01-02T3:04:05.678901Z", "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "",
	} {
		cases = append(cases, stderrCase{
			fmt.Sprintf("timestamp %q", timestamp),
			fmt.Sprintf("{\"@level\":\"info\",\"@message\":\"m\",\"@timestamp\":%q}\n", timestamp),
		})
	}
	return append(cases,
		stderrCase{"timestamp is a number", `{"@level":"info","@message":"m","@timestamp":1}` + "\n"},
		stderrCase{"timestamp is null", `{"@level":"info","@message":"m","@timestamp":null}` + "\n"},
		stderrCase{"wrong timestamp with a tag", `{"@level":"error","@message":"[ERROR] m","@timestamp":"x"}` + "\n"},
	)
}

func jsonCases() []stderrCase {
	one := func(name, line string) stderrCase { return stderrCase{name, line + "\n"} }
	return []stderrCase{
		one("JSON: all of it", `{"@level":"warn","@message":"m","@module":"a.b","@caller":"x.go:1","@timestamp":"2026-01-02T03:04:05.678901Z","k":"v"}`),
		one("JSON: message missing", `{"@level":"info","k":"v"}`),
		one("JSON: message is a number", `{"@level":"info","@message":1}`),
		one("JSON: message is null", `{"@level":"info","@message":null}`),
		one("JSON: message with a newline", `{"@level":"info","@message":"a\nb"}`),
		one("JSON: values of all types", `{"@level":"info","@message":"m","s":"x","i":1,"f":1.5,"t":true,"n":null,"l":[1,"a",null],"o":{"a":{"b":1}}}`),
		one("JSON: large numbers", `{"@level":"info","@message":"m","a":9007199254740993,"b":12345678901234567890,"c":1e21,"d":-0.0,"e":1e-7}`),
		one("JSON: number out of range", `{"@level":"info","@message":"m","a":1e400}`),
		one("JSON: duplicate keys", `{"@level":"info","@message":"m","k":1,"k":2}`),
		one("JSON: duplicate level", `{"@level":"info","@message":"m","@level":"error"}`),
		one("JSON: duplicate object keys", `{"@level":"info","@message":"m","k":{"a":1},"k":{"b":2}}`),
		one("JSON: keys in other case", `{"@Level":"info","@MESSAGE":"m"}`),
		one("JSON: key timestamp", `{"@level":"info","@message":"m","timestamp":"mine"}`),
		one("JSON: empty key", `{"@level":"info","@message":"m","":"v"}`),
		one("JSON: empty object", `{}`),
		one("JSON: null", `null`),
		one("JSON: array", `[{"@level":"info"}]`),
		one("JSON: string", `"@level"`),
		one("JSON: number", `42`),
		one("JSON: blanks round it", "  \t{\"@level\":\"info\",\"@message\":\"m\"} \t"),
		one("JSON: text behind it", `{"@level":"info","@message":"m"} x`),
		one("JSON: two objects", `{"@level":"info","@message":"m"}{"@level":"info","@message":"n"}`),
		one("JSON: text before it", `x {"@level":"info","@message":"m"}`),
		one("JSON: cut off", `{"@level":"info","@message":"m"`),
		one("JSON: trailing comma", `{"@level":"info","@message":"m",}`),
		one("JSON: single quotes", `{'@level':'info'}`),
		one("JSON: NaN", `{"@level":"info","@message":"m","k":NaN}`),
		one("JSON: Infinity", `{"@level":"info","@message":"m","k":Infinity}`),
		one("JSON: comment", `{"@level":"info","@message":"m"} // x`),
		one("JSON: leading zero", `{"@level":"info","@message":"m","k":01}`),
		one("JSON: raw tab in a string", "{\"@level\":\"info\",\"@message\":\"a\tb\"}"),
		one("JSON: escapes", `{"@level":"info","@message":"\u003c\u0026\u003e \u00fc \ud83d\ude00 \/ \"","k\u0041":"v"}`),
		one("JSON: lone surrogate", `{"@level":"info","@message":"a\ud800b"}`),
		one("JSON: byte order mark", "\ufeff"+`{"@level":"info","@message":"m"}`),
	}
}
