// Command echo-host starts a plugin that serves Echo, runs named scenarios against it
// and prints one JSON object per scenario.
//
//	echo-host [flags] -- command [argument...]
//	echo-host [flags] -reattach JSON
//
// The exit status is 0 if every scenario was ok, 1 if one was not or the plugin did
// not start, and 2 for wrong usage.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"goplugin_py/go-fixtures/echo"
)

// result is one line of output.
type result struct {
	Scenario string `json:"scenario"`
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
	Detail   detail `json:"detail,omitempty"`
}

// detail is what a scenario saw, whether it was what it wanted or not.
type detail map[string]any

// session is a started plugin and everything the host hears from it.
type session struct {
	*plugin.Client
	options *options
	rpc     *plugin.GRPCClient
	conn    *grpc.ClientConn
	echo    echo.EchoClient
	heard   *heard
	late    *lateOutput // set by print-late
}

func main() {
	options, err := parseOptions(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "echo-host:", err)
		os.Exit(2)
	}
	ok, err := run(options)
	if err != nil {
		fmt.Fprintln(os.Stderr, "echo-host:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(options *options) (bool, error) {
	heard, err := newHeard(options)
	if err != nil {
		return false, err
	}
	session, err := newSession(options, heard)
	if err != nil {
		report(result{Scenario: "start", Error: err.Error()})
		return false, nil
	}
	if err := session.connect(); err != nil {
		session.Kill()
		report(result{Scenario: "start", Error: err.Error()})
		return false, nil
	}
	allOK := true
	for _, name := range options.scenarios {
		outcome := session.run(name)
		report(outcome)
		allOK = allOK && outcome.OK
	}
	outcome := session.end()
	report(outcome)
	return allOK && outcome.OK, nil
}

func report(outcome result) {
	line, err := json.Marshal(outcome)
	if err != nil {
		line, _ = json.Marshal(result{Scenario: outcome.Scenario, Error: err.Error()})
	}
	fmt.Printf("%s\n", line)
}

func newSession(options *options, heard *heard) (*session, error) {
	config, err := clientConfig(options, heard)
	if err != nil {
		return nil, err
	}
	return &session{Client: plugin.NewClient(config), options: options, heard: heard}, nil
}

// connect starts the plugin and dispenses Echo.
func (s *session) connect() error {
	protocol, err := s.Client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(pluginName)
	if err != nil {
		return err
	}
	rpc, ok := protocol.(*plugin.GRPCClient)
	if !ok {
		return fmt.Errorf("the plugin speaks %s, not gRPC", s.Protocol())
	}
	s.rpc, s.conn, s.echo = rpc, rpc.Conn, raw.(echo.EchoClient)
	return nil
}

func (s *session) run(name string) result {
	ctx, cancel := context.WithTimeout(context.Background(), s.options.timeout)
	defer cancel()
	detail, err := scenarios[name](ctx, s)
	outcome := result{Scenario: name, OK: err == nil, Detail: detail}
	if err != nil {
		outcome.Error = err.Error()
	}
	return outcome
}

// end kills the plugin and tells how it went.
func (s *session) end() result {
	var network, address string
	if addr, err := s.Start(); err == nil {
		network, address = addr.Network(), addr.String()
	}
	started := time.Now()
	s.Kill()
	seconds := time.Since(started).Seconds()
	forced := s.heard.log.has(logged("plugin failed to exit gracefully"))
	spared := s.options.reattach != nil && s.options.reattach.Test
	outcome := result{Scenario: "kill", OK: s.Exited() != spared && !forced, Detail: detail{
		"exited":             s.Exited(),
		"forced":             forced,
		"seconds":            seconds,
		"negotiated_version": s.NegotiatedVersion(),
		"protocol":           s.Protocol(),
		"network":            network,
		"address":            address,
	}}
	if !outcome.OK {
		outcome.Error = "the plugin did not exit by itself, or did in test mode"
	}
	if s.late != nil {
		outcome.Detail["late_bytes"] = s.late.arrived(s.heard.stdout)
	}
	return outcome
}
