package main

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

const (
	hostName = "host"
	lastLine = "judge: that was all"
)

type stderrCase struct {
	Stderr []byte `json:"stderr"`
}

// logged is one call of the host's logger on behalf of the plugin.
type logged struct {
	Level   string         `json:"level"`
	Message []byte         `json:"message"`
	Pairs   map[string]any `json:"pairs"`
}

// judgeStderr lets plugin.Client.logStderr read the bytes, a newline, and a last line.
//
// A line that panics there ends this process before the last line is read.
func judgeStderr(one stderrCase) ([]logged, error) {
	sink := &logSink{calls: []logged{}, done: make(chan struct{})}
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: hostName, Level: hclog.Trace, Output: io.Discard,
	})
	logger.RegisterSink(sink)
	plugin_ := newStub(usualLine, string(one.Stderr)+"\n"+lastLine+"\n")
	defer plugin_.end()
	config := newHost(hostOptions{Versions: []int{1}}, plugin_, logger, &taker{})
	if _, err := plugin.NewClient(config).Start(); err != nil {
		return nil, err
	}
	select {
	case <-sink.done:
		return sink.calls, nil
	case <-time.After(patience):
		return nil, errors.New("the last line of stderr was not logged")
	}
}

const usualLine = "1|1|unix|/nowhere|grpc|\n"

// logSink sees the arguments of log calls, not what a format makes of them.
type logSink struct {
	calls []logged // until done, of the goroutine that reads stderr
	done  chan struct{}
}

func (s *logSink) Accept(name string, level hclog.Level, message string, arguments ...any) {
	if name != hostName+".plugin" {
		return
	}
	if strings.HasSuffix(message, lastLine) {
		close(s.done)
		return
	}
	call := logged{level.String(), []byte(message), map[string]any{}}
	for i := 0; i+1 < len(arguments); i += 2 {
		call.Pairs[arguments[i].(string)] = arguments[i+1]
	}
	s.calls = append(s.calls, call)
}
