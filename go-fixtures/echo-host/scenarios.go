package main

import (
	"context"
	"fmt"
)

// scenarios are what -scenario can name. Each returns what it saw, and an error if that
// is not what it must be.
var scenarios = map[string]func(context.Context, *session) (detail, error){
	"unary":         unary,
	"server-stream": serverStream,
	"client-stream": clientStream,
	"bidi":          bidi,
	"big":           big,
	"concurrent":    concurrent,

	"fail":     fail,
	"deadline": deadline,
	"cancel":   cancelCalls,
	"metadata": metadataBothWays,
	"hold":     hold,
	"sleep-on": sleepOn,

	"print":      printCaptured,
	"print-fd":   printCapturedFD,
	"print-late": printLate,
	"print-raw":  printRaw,
	"log":        logAllLevels,
	"env":        env,

	"ping":       ping,
	"health":     healthChecks,
	"reflection": reflectBoth,

	"crash-exit":  crashExit,
	"crash-panic": crashPanic,
	"crash-kill":  crashKill,

	"timings": timings,
}

// differ is the error of an expectation that was not met.
func differ(what string, got, want any) error {
	return fmt.Errorf("%s: got %v, want %v", what, got, want)
}
