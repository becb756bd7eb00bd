package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

const (
	// The stub is started under this name, which then is part of its logger's name.
	stubName = "plugin"
	hostName = "host"

	hostCaseTimeout = 30 * time.Second
	// Enough for the stub to write on a busy machine.
	exitTimeout = 20 * time.Second
)

// hostOptions is the part of plugin.ClientConfig that cases vary.
type hostOptions struct {
	Versions []int    `json:"versions"`
	Allow    []string `json:"allowed_protocols"`
	AutoMTLS bool     `json:"auto_mtls"`
	Mux      bool     `json:"broker_multiplex"`
}

// hostCase is a stub plugin and the host to run it with.
type hostCase struct {
	Script  stubScript
	Options hostOptions
	// StartTimeout is only short where the host must run into it.
	StartTimeout time.Duration
	// AwaitExit tells to wait for the plugin's end after a start, for all its output.
	AwaitExit bool
}

// hostOutcome is what came of a case.
type hostOutcome struct {
	Error    string          `json:",omitempty"`
	Panic    string          `json:",omitempty"` // the host died of this
	Accepted *accepted       `json:",omitempty"`
	Logged   json.RawMessage // list of `logged`, passed on unread
	Raw      []byte          // what ClientConfig.Stderr got
}

// accepted is what the host understood.
type accepted struct {
	Version    int    `json:"version"`
	Network    string `json:"network"`
	Address    string `json:"address"`
	Protocol   string `json:"protocol"`
	TrustsCert bool   `json:"trusts_certificate"`
}

// logged is one call of the host's logger on behalf of the plugin.
type logged struct {
	Logger  string         `json:"logger"`
	Level   string         `json:"level"`
	Message text           `json:"message"`
	Pairs   map[string]any `json:"pairs"`
}

// runHostCase runs the case in a process of its own, for some end it.
func runHostCase(one hostCase) (hostOutcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hostCaseTimeout)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return hostOutcome{}, err
	}
	input, err := json.Marshal(one)
	if err != nil {
		return hostOutcome{}, err
	}
	// A host that dies cannot remove it.
	dir, err := os.MkdirTemp("", "vectors")
	if err != nil {
		return hostOutcome{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, self, hostRole, dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	// A stub that a dying host leaves behind has these pipes open.
	cmd.WaitDelay = time.Second
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		return hostOutcome{Panic: panicLine(stderr.String())}, nil
	} else if err != nil {
		return hostOutcome{}, fmt.Errorf("%w: %s", err, stderr.String())
	}
	var outcome hostOutcome
	return outcome, json.Unmarshal(stdout.Bytes(), &outcome)
}

func panicLine(stderr string) string {
	for line := range strings.Lines(stderr) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "panic: "); ok {
			return strings.TrimSuffix(rest, " [recovered, repanicked]")
		}
	}
	return "unknown: " + stderr
}

// serveHostCase is the other end of runHostCase. It keeps its files in dir.
func serveHostCase(dir string) error {
	var one hostCase
	if err := json.NewDecoder(os.Stdin).Decode(&one); err != nil {
		return err
	}
	cmd, err := stubCommand(dir, one.Script)
	if err != nil {
		return err
	}
	outcome, err := host(cmd, one)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(outcome)
}

func stubCommand(dir string, script stubScript) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, stubName)
	if err := os.Symlink(self, path); err != nil {
		return nil, err
	}
	data, err := json.Marshal(script)
	if err != nil {
		return nil, err
	}
	scriptPath := filepath.Join(dir, "script.json")
	if err := os.WriteFile(scriptPath, data, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(path)
	cmd.Env = []string{stubScriptVariable + "=" + scriptPath}
	return cmd, nil
}

func host(cmd *exec.Cmd, one hostCase) (*hostOutcome, error) {
	var raw bytes.Buffer
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{
		Name: hostName, Level: hclog.Trace, Output: io.Discard,
	})
	sink := &logSink{}
	logger.RegisterSink(sink)
	config := newClientConfig(one.Options)
	config.Cmd, config.Logger, config.Stderr = cmd, logger, &raw
	config.StartTimeout = one.StartTimeout

	client := plugin.NewClient(config)
	address, err := client.Start()
	if err != nil {
		return &hostOutcome{Error: err.Error()}, nil
	}
	outcome := &hostOutcome{Accepted: &accepted{
		Version:    client.NegotiatedVersion(),
		Network:    address.Network(),
		Address:    address.String(),
		Protocol:   string(client.Protocol()),
		TrustsCert: config.TLSConfig != nil && config.TLSConfig.RootCAs != nil,
	}}
	if one.AwaitExit {
		if err := awaitExit(client); err != nil {
			return nil, err
		}
		outcome.Raw = raw.Bytes()
		outcome.Logged, err = json.Marshal(sink.ofPlugin())
		return outcome, err
	}
	// Client.Kill would first try to reach the stub by gRPC.
	if err := cmd.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		return outcome, err
	}
	return outcome, nil
}

func newClientConfig(options hostOptions) *plugin.ClientConfig {
	config := &plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			MagicCookieKey: "VECTORS_COOKIE", MagicCookieValue: "1",
		},
		VersionedPlugins:    map[int]plugin.PluginSet{},
		AutoMTLS:            options.AutoMTLS,
		GRPCBrokerMultiplex: options.Mux,
	}
	for _, version := range options.Versions {
		config.VersionedPlugins[version] = plugin.PluginSet{"none": noPlugin{}}
	}
	for _, protocol := range options.Allow {
		config.AllowedProtocols = append(config.AllowedProtocols, plugin.Protocol(protocol))
	}
	return config
}

func awaitExit(client *plugin.Client) error {
	for deadline := time.Now().Add(exitTimeout); !client.Exited(); {
		if time.Now().After(deadline) {
			return errors.New("the stub does not exit")
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// logSink sees the arguments of log calls, not what a format makes of them.
type logSink struct {
	mu    sync.Mutex
	calls []logged
}

func (s *logSink) Accept(name string, level hclog.Level, message string, arguments ...any) {
	call := logged{Logger: name, Level: level.String(), Message: text(message), Pairs: map[string]any{}}
	for i := 0; i+1 < len(arguments); i += 2 {
		call.Pairs[fmt.Sprint(arguments[i])] = arguments[i+1]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call)
}

// ofPlugin returns the calls for the plugin's output, without the host's own.
func (s *logSink) ofPlugin() []logged {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := []logged{}
	for _, call := range s.calls {
		if call.Logger == hostName+"."+stubName {
			calls = append(calls, call)
		}
	}
	return calls
}

// noPlugin fills plugin sets of which nothing is ever dispensed.
type noPlugin struct {
	plugin.NetRPCUnsupportedPlugin
}

func (noPlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (noPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}
