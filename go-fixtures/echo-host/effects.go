package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"goplugin_py/go-fixtures/echo"
)

const (
	printRepeat = 1024
	printBlock  = 1024
	// How long output may take from the plugin's write to the host's writer.
	effectWithin = 20 * time.Second
	// How long it may take from an ended plugin, of which all has arrived.
	lateWithin = 2 * time.Second
)

// printCaptured has 1 MiB written to each of the plugin's streams and expects exactly
// that in SyncStdout and SyncStderr.
func printCaptured(ctx context.Context, s *session) (detail, error) {
	return printAndCompare(ctx, s, false)
}

// printCapturedFD does the same with the file descriptors 1 and 2, for plugins that
// capture these too, as Go's do not.
func printCapturedFD(ctx context.Context, s *session) (detail, error) {
	return printAndCompare(ctx, s, true)
}

func printAndCompare(ctx context.Context, s *session, rawFD bool) (detail, error) {
	request := &echo.PrintRequest{
		Stdout: pattern(printBlock), Stderr: bytes.Repeat([]byte("e\n"), printBlock/2),
		Repeat: printRepeat, RawFd: rawFD,
	}
	stdoutMark, stderrMark := s.heard.stdout.mark(), s.heard.stderr.mark()
	if _, err := s.echo.Print(ctx, request); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, effectWithin)
	defer cancel()
	seen := detail{}
	return seen, errors.Join(
		sameOutput(ctx, seen, "stdout", s.heard.stdout, stdoutMark, request.Stdout),
		sameOutput(ctx, seen, "stderr", s.heard.stderr, stderrMark, request.Stderr),
	)
}

func sameOutput(ctx context.Context, seen detail, name string, to *recorder, mark int, block []byte) error {
	want := bytes.Repeat(block, printRepeat)
	got := to.waitFor(ctx, mark, func(data []byte) bool { return len(data) >= len(want) })
	seen[name] = detail{"bytes": len(got), "sha256": digest(got)}
	if !bytes.Equal(got, want) {
		return differ(name, fmt.Sprint(len(got), " bytes ", digest(got)),
			fmt.Sprint(len(want), " bytes ", digest(want)))
	}
	return nil
}

// printLate has 1 MiB written to the plugin's stdout and does not wait for it: whether
// it arrives before the plugin is gone shows at the end, in late_bytes.
func printLate(ctx context.Context, s *session) (detail, error) {
	block := pattern(printBlock)
	s.late = &lateOutput{mark: s.heard.stdout.mark(), size: printRepeat * len(block)}
	_, err := s.echo.Print(ctx, &echo.PrintRequest{Stdout: block, Repeat: printRepeat})
	return nil, err
}

// lateOutput is what has to be in SyncStdout at the end.
type lateOutput struct{ mark, size int }

func (l *lateOutput) arrived(to *recorder) int {
	ctx, cancel := context.WithTimeout(context.Background(), lateWithin)
	defer cancel()
	return len(to.waitFor(ctx, l.mark, func(data []byte) bool { return len(data) >= l.size }))
}

// printRaw has 1 MiB written to each of the plugin's file descriptors: stderr must
// reach ClientConfig.Stderr, stdout must be drained, and neither may reach SyncStdout
// or SyncStderr.
func printRaw(ctx context.Context, s *session) (detail, error) {
	line := []byte("raw " + strings.Repeat("x", printBlock-5) + "\n")
	syncedOut, syncedErr, mark := s.heard.stdout.mark(), s.heard.stderr.mark(), s.heard.rawStderr.mark()
	request := &echo.PrintRequest{Stdout: line, Stderr: line, Repeat: printRepeat, RawFd: true}
	if _, err := s.echo.Print(ctx, request); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, effectWithin)
	defer cancel()
	// The plugin's log lines go the same way.
	count := func(data []byte) int { return bytes.Count(data, line) }
	data := s.heard.rawStderr.waitFor(ctx, mark, func(data []byte) bool { return count(data) >= printRepeat })
	synced := len(s.heard.stdout.since(syncedOut)) + len(s.heard.stderr.since(syncedErr))
	seen := detail{"stderr_lines": count(data), "line_bytes": len(line), "synced_bytes": synced}
	if count(data) != printRepeat {
		return seen, differ("lines on stderr", count(data), printRepeat)
	}
	if synced != 0 {
		return seen, differ("bytes in SyncStdout and SyncStderr", synced, 0)
	}
	return seen, nil
}

// logAllLevels has one line logged at each level and expects the same level, message,
// name and pairs in the host's log.
func logAllLevels(ctx context.Context, s *session) (detail, error) {
	ctx, cancel := context.WithTimeout(ctx, effectWithin)
	defer cancel()
	pairs := map[string]string{"plain": "value", "odd key": "<&> \"quoted\"\nünïcode"}
	seen := detail{}
	for _, level := range []string{"trace", "debug", "info", "warn", "error"} {
		for _, module := range []string{"", "sub"} {
			request := &echo.LogRequest{
				Level: level, Message: "log " + level + " " + module, Pairs: pairs, Module: module,
			}
			mark := s.heard.log.mark()
			if _, err := s.echo.Log(ctx, request); err != nil {
				return seen, err
			}
			found := s.heard.log.waitForEntry(ctx, mark, logged(request.Message))
			seen[request.Message] = found
			if err := sameEntry(found, request); err != nil {
				return seen, err
			}
		}
	}
	return seen, nil
}

func sameEntry(found entry, request *echo.LogRequest) error {
	if found == nil {
		return fmt.Errorf("%q is not in the host's log", request.Message)
	}
	if found["@level"] != request.Level {
		return differ("level of "+request.Message, found["@level"], request.Level)
	}
	for key, want := range request.Pairs {
		if found[key] != want {
			return differ(fmt.Sprintf("%q of %q", key, request.Message), found[key], want)
		}
	}
	// A pair named @module, as the plugin's name comes, replaces the host's.
	if name := fmt.Sprint(found["@module"]); !strings.HasSuffix(name, request.Module) {
		return differ("name of "+request.Message, name, "..."+request.Module)
	}
	return nil
}

// env reports the plugin's environment as far as go-plugin or -env made it, and checks
// what is always set.
func env(ctx context.Context, s *session) (detail, error) {
	names := []string{
		cookieKey, "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_PROTOCOL_VERSIONS",
		"PLUGIN_CLIENT_CERT", "PLUGIN_MULTIPLEX_GRPC", "PLUGIN_UNIX_SOCKET_DIR",
		"PLUGIN_UNIX_SOCKET_GROUP", "PATH", "HOME",
	}
	for _, assignment := range s.options.env {
		name, _, _ := strings.Cut(assignment, "=")
		names = append(names, name)
	}
	reply, err := s.echo.Env(ctx, &echo.EnvRequest{Names: names})
	if err != nil {
		return nil, err
	}
	seen := detail{"values": reply.Values, "unset": missing(names, reply.Values)}
	if got := reply.Values[cookieKey]; got != s.options.cookieValue {
		return seen, differ(cookieKey, got, s.options.cookieValue)
	}
	for _, name := range names[1:4] {
		if reply.Values[name] == "" {
			return seen, fmt.Errorf("%s is not set", name)
		}
	}
	return seen, nil
}

func missing(names []string, values map[string]string) []string {
	unset := map[string]bool{}
	for _, name := range names {
		if _, ok := values[name]; !ok {
			unset[name] = true
		}
	}
	return slices.Sorted(maps.Keys(unset))
}

func crashExit(ctx context.Context, s *session) (detail, error) {
	return crash(ctx, s, &echo.CrashRequest{Kind: echo.CrashRequest_EXIT, Status: 7}, "exit status 7")
}

// crashPanic accepts any exit status, for it depends on the plugin's language.
func crashPanic(ctx context.Context, s *session) (detail, error) {
	return crash(ctx, s, &echo.CrashRequest{Kind: echo.CrashRequest_PANIC}, "")
}

func crashKill(ctx context.Context, s *session) (detail, error) {
	return crash(ctx, s, &echo.CrashRequest{Kind: echo.CrashRequest_SIGKILL}, "signal: "+syscall.SIGKILL.String())
}

// crash expects the call to end as Unavailable and go-plugin to notice and log the end
// of the process. An empty wantExit accepts any unclean end.
func crash(ctx context.Context, s *session, request *echo.CrashRequest, wantExit string) (detail, error) {
	mark := s.heard.log.mark()
	_, callErr := s.echo.Crash(ctx, request)
	ctx, cancel := context.WithTimeout(ctx, effectWithin)
	defer cancel()
	exit := s.heard.log.waitForEntry(ctx, mark, logged("plugin process exited"))
	seen := detail{
		"call":        fmt.Sprint(callErr),
		"exit":        exit["error"],
		"error_lines": errorLines(s.heard.log.since(mark)),
	}
	if status.Code(callErr) != codes.Unavailable {
		return seen, differ("code of the call", status.Code(callErr), codes.Unavailable)
	}
	if exit == nil || exit["error"] == nil {
		return seen, differ("logged exit", exit, "an unclean one")
	}
	if wantExit != "" && exit["error"] != wantExit {
		return seen, differ("logged exit", exit["error"], wantExit)
	}
	return seen, waitExited(ctx, s)
}

// waitExited waits for Exited, which follows the log line without a signal of its own.
func waitExited(ctx context.Context, s *session) error {
	for !s.Exited() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return errors.New("the client does not notice the exit")
		}
	}
	return nil
}

// errorLines returns what go-plugin logged at level error, such as a panic's trace.
func errorLines(data []byte) []string {
	var lines []string
	for _, one := range entries(data) {
		if one["@level"] == "error" {
			lines = append(lines, fmt.Sprint(one["@message"]))
		}
	}
	return lines
}
