package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
)

// stub is a plugin without a process: a runner that says what it was told to.
type stub struct {
	stdout, stderr io.Reader
	directory      string
	over           chan struct{}
	once           sync.Once

	lock       sync.Mutex
	translated [][2]string
}

func newStub(stdout, stderr string) *stub {
	return &stub{
		stdout: strings.NewReader(stdout),
		stderr: strings.NewReader(stderr),
		over:   make(chan struct{}),
	}
}

func (s *stub) Start(context.Context) error    { return nil }
func (s *stub) Stdout() io.ReadCloser          { return io.NopCloser(s.stdout) }
func (s *stub) Stderr() io.ReadCloser          { return io.NopCloser(s.stderr) }
func (*stub) Name() string                     { return "plugin" }
func (*stub) ID() string                       { return "stub" }
func (*stub) Diagnose(context.Context) string  { return "" }
func (s *stub) Kill(context.Context) error     { s.end(); return nil }
func (s *stub) Wait(ctx context.Context) error { <-s.over; return nil }

// end lets the host see that the plugin is over, and removes its directory.
func (s *stub) end() {
	s.once.Do(func() {
		close(s.over)
		_ = os.RemoveAll(s.directory)
	})
}

// PluginToHost notes each address that the host is about to use.
func (s *stub) PluginToHost(network, address string) (string, string, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.translated = append(s.translated, [2]string{network, address})
	return network, address, nil
}

func (*stub) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// lastAddress is the one that PluginToHost was asked for last.
func (s *stub) lastAddress() [2]string {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.translated[len(s.translated)-1]
}

// hostOptions is the part of plugin.ClientConfig that cases vary.
type hostOptions struct {
	Versions []int `json:"versions"`
	MTLS     bool  `json:"mtls"`
	Mux      bool  `json:"mux"`
}

// newHost returns a real host of the stub, not started.
func newHost(options hostOptions, plugin_ *stub, logger hclog.Logger, taken plugin.Plugin) *plugin.ClientConfig {
	config := &plugin.ClientConfig{
		HandshakeConfig:     plugin.HandshakeConfig{MagicCookieKey: "JUDGE", MagicCookieValue: "1"},
		VersionedPlugins:    map[int]plugin.PluginSet{},
		AllowedProtocols:    []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:            options.MTLS,
		GRPCBrokerMultiplex: options.Mux,
		SkipHostEnv:         true,
		StartTimeout:        patience,
		Logger:              logger,
		RunnerFunc: func(_ hclog.Logger, _ *exec.Cmd, directory string) (runner.Runner, error) {
			plugin_.directory = directory
			return plugin_, nil
		},
	}
	for _, version := range options.Versions {
		config.VersionedPlugins[version] = plugin.PluginSet{"taken": taken}
	}
	return config
}

// taker takes the broker of its host.
type taker struct {
	plugin.NetRPCUnsupportedPlugin
	broker *plugin.GRPCBroker
}

func (*taker) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (t *taker) GRPCClient(_ context.Context, broker *plugin.GRPCBroker, _ *grpc.ClientConn) (any, error) {
	t.broker = broker
	return t, nil
}
