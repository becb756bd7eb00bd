package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"slices"
	"sync"
)

// heard is everything that reaches the host from the plugin outside of calls.
type heard struct {
	stdout    *recorder // SyncStdout
	stderr    *recorder // SyncStderr
	rawStderr *recorder // ClientConfig.Stderr
	log       *recorder // the host's own log, one JSON object per line
}

// newHeard opens the files that the options name; they stay open until the end.
func newHeard(o *options) (*heard, error) {
	logFile, err := create(o.logFile, os.Stderr)
	if err != nil {
		return nil, err
	}
	rawFile, err := create(o.stderrFile, io.Discard)
	if err != nil {
		return nil, err
	}
	return &heard{
		stdout:    newRecorder(io.Discard),
		stderr:    newRecorder(io.Discard),
		rawStderr: newRecorder(rawFile),
		log:       newRecorder(logFile),
	}, nil
}

func create(path string, otherwise io.Writer) (io.Writer, error) {
	if path == "" {
		return otherwise, nil
	}
	return os.Create(path)
}

// recorder keeps what is written to it, copies it on, and lets others wait for it.
type recorder struct {
	copyTo io.Writer

	mu      sync.Mutex
	data    []byte        // only ever appended to, so parts of it may be handed out
	changed chan struct{} // closed and replaced at each write
}

func newRecorder(copyTo io.Writer) *recorder {
	return &recorder{copyTo: copyTo, changed: make(chan struct{})}
}

func (r *recorder) Write(data []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.data = append(r.data, data...)
	close(r.changed)
	r.changed = make(chan struct{})
	return r.copyTo.Write(data)
}

// mark returns a position after which `since` tells what came later.
func (r *recorder) mark() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.data)
}

// state returns what was written after the mark, and a channel that closes when there
// is more.
func (r *recorder) state(mark int) ([]byte, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.data[mark:]), r.changed
}

func (r *recorder) since(mark int) []byte {
	data, _ := r.state(mark)
	return data
}

// waitFor waits until what came after the mark is enough; it returns that even if the
// context ends first.
func (r *recorder) waitFor(ctx context.Context, mark int, enough func([]byte) bool) []byte {
	for {
		data, changed := r.state(mark)
		if enough(data) {
			return data
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return data
		}
	}
}

// entry is one line of the host's log.
type entry map[string]any

func entries(data []byte) []entry {
	var parsed []entry
	for line := range bytes.Lines(data) {
		var one entry
		if json.Unmarshal(line, &one) == nil {
			parsed = append(parsed, one)
		}
	}
	return parsed
}

// logged matches log entries by their message.
func logged(message string) func(entry) bool {
	return func(e entry) bool { return e["@message"] == message }
}

func find(data []byte, match func(entry) bool) entry {
	all := entries(data)
	if i := slices.IndexFunc(all, match); i >= 0 {
		return all[i]
	}
	return nil
}

func (r *recorder) has(match func(entry) bool) bool {
	return find(r.since(0), match) != nil
}

// waitForEntry returns the first matching log entry after the mark, or nil.
func (r *recorder) waitForEntry(ctx context.Context, mark int, match func(entry) bool) entry {
	data := r.waitFor(ctx, mark, func(data []byte) bool { return find(data, match) != nil })
	return find(data, match)
}
