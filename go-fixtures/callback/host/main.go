// Command host starts a plugin that serves callback.Actor and lets a test drive both
// sides: it serves its own Actor and the plugin's on unix sockets.
//
//	host [-mtls] [-mux] [-accept=ID] DIRECTORY command [argument...]
//
// The sockets are DIRECTORY/host and DIRECTORY/plugin. It prints "ready" when they are
// there, or why the plugin did not start; at the end of stdin it kills the plugin and
// prints "graceful" or "forced".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"goplugin_py/go-fixtures/callback"
	"goplugin_py/go-fixtures/callback/actor"
)

var (
	mtls   = flag.Bool("mtls", false, "set AutoMTLS")
	mux    = flag.Bool("mux", false, "set GRPCBrokerMultiplex")
	accept = flag.Uint("accept", 0, "serve a Peer under this id at Dispense")
)

func main() {
	flag.Parse()
	log := &graceWatch{}
	client := plugin.NewClient(config(flag.Args()[1:], log))
	if err := serve(client, flag.Arg(0)); err != nil {
		client.Kill()
		fmt.Println(strings.ReplaceAll(err.Error(), "\n", " "))
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	client.Kill()
	if log.forced.Load() {
		fmt.Println("forced")
	} else {
		fmt.Println("graceful")
	}
}

func config(command []string, log io.Writer) *plugin.ClientConfig {
	config := &plugin.ClientConfig{
		HandshakeConfig:  actor.Handshake,
		Plugins:          plugin.PluginSet{actor.PluginName: &callbackPlugin{}},
		Cmd:              exec.Command(command[0], command[1:]...),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         *mtls,
		Stderr:           os.Stderr,
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: log}),
	}
	if *mux { // older versions lack the field
		reflect.ValueOf(config).Elem().FieldByName("GRPCBrokerMultiplex").SetBool(true)
	}
	return config
}

// serve starts the plugin and serves both Actors.
func serve(client *plugin.Client, directory string) error {
	protocol, err := client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(actor.PluginName)
	if err != nil {
		return err
	}
	sides := raw.(*sides)
	for name, side := range map[string]callback.ActorServer{"host": sides.host, "plugin": sides} {
		listener, err := net.Listen("unix", filepath.Join(directory, name))
		if err != nil {
			return err
		}
		server := actor.NewServer(nil)
		callback.RegisterActorServer(server, side)
		go func() { _ = server.Serve(listener) }()
	}
	return nil
}

// callbackPlugin is the host's half of the plugin.
type callbackPlugin struct {
	plugin.NetRPCUnsupportedPlugin
}

func (*callbackPlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is a host")
}

func (*callbackPlugin) GRPCClient(ctx context.Context, broker *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	host := actor.New(broker)
	if *accept != 0 {
		if _, err := host.Accept(ctx, &callback.AcceptRequest{Ids: []uint32{uint32(*accept)}}); err != nil {
			return nil, err
		}
	}
	return &sides{host: host, plugin: callback.NewActorClient(conn)}, nil
}

// sides are both Actors; as a server, it passes calls on to the plugin's.
type sides struct {
	callback.UnimplementedActorServer
	host   *actor.Actor
	plugin callback.ActorClient
}

func (s *sides) Accept(ctx context.Context, request *callback.AcceptRequest) (*callback.Ids, error) {
	return s.plugin.Accept(ctx, request)
}

func (s *sides) Stop(ctx context.Context, request *callback.StopRequest) (*callback.Ids, error) {
	return s.plugin.Stop(ctx, request)
}

func (s *sides) Dial(ctx context.Context, request *callback.DialRequest) (*callback.DialReply, error) {
	return s.plugin.Dial(ctx, request)
}

// graceWatch passes the log on to stderr and notices a kill by force.
type graceWatch struct {
	forced atomic.Bool
}

func (w *graceWatch) Write(data []byte) (int, error) {
	if strings.Contains(string(data), "plugin failed to exit gracefully") {
		w.forced.Store(true)
	}
	return os.Stderr.Write(data)
}
