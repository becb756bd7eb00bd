// Command tcp-plugin serves the Echo service on a TCP port, as go-plugin itself only
// does on Windows. plugin.Serve cannot be told to, so its steps are repeated here
// around the exported plugin.GRPCServer, which brings health, reflection, broker,
// controller and stdio. Only broker multiplexing is missing.
package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"

	"github.com/hashicorp/go-plugin"

	"goplugin_py/go-fixtures/echo-plugin/internal/service"
)

func main() {
	logger := service.NewLogger()
	if os.Getenv(service.Handshake.MagicCookieKey) != service.Handshake.MagicCookieValue {
		fmt.Fprintln(os.Stderr, "This binary is a plugin.")
		os.Exit(1)
	}
	if err := serve(service.NewPlugin(logger)); err != nil {
		logger.Error("plugin init error", "error", err)
		os.Exit(1)
	}
}

func serve(echo plugin.Plugin) error {
	listener, err := listen()
	if err != nil {
		return err
	}
	tlsConfig, certificate, err := autoMTLS(os.Getenv("PLUGIN_CLIENT_CERT"))
	if err != nil {
		return err
	}
	server, err := newServer(echo, tlsConfig)
	if err != nil {
		return err
	}
	fmt.Printf("%d|%d|tcp|%s|grpc|%s\n",
		plugin.CoreProtocolVersion, service.Handshake.ProtocolVersion,
		listener.Addr(), certificate)
	server.captureOutput()
	signal.Ignore(os.Interrupt)
	server.Serve(listener)
	return nil
}

// server is a plugin.GRPCServer and the write ends of its stdio pipes.
type server struct {
	*plugin.GRPCServer
	stdout, stderr *os.File
}

func newServer(echo plugin.Plugin, tlsConfig *tls.Config) (*server, error) {
	stdoutReader, stdout, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stderrReader, stderr, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	grpcServer := &plugin.GRPCServer{
		Plugins: map[string]plugin.Plugin{service.PluginName: echo},
		Server:  service.NewGRPCServer,
		TLS:     tlsConfig,
		DoneCh:  make(chan struct{}),
		Stdout:  stdoutReader,
		Stderr:  stderrReader,
	}
	return &server{grpcServer, stdout, stderr}, grpcServer.Init()
}

// captureOutput makes later writes to os.Stdout and os.Stderr go to the host.
func (s *server) captureOutput() {
	os.Stdout, os.Stderr = s.stdout, s.stderr
}

// listen takes the first free port in the range that the host asks for.
func listen() (net.Listener, error) {
	first, err := port("PLUGIN_MIN_PORT")
	if err != nil {
		return nil, err
	}
	last, err := port("PLUGIN_MAX_PORT")
	if err != nil {
		return nil, err
	}
	for port := first; port <= last; port++ {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return listener, nil
		}
	}
	return nil, errors.New("couldn't bind plugin TCP listener")
}

func port(variable string) (int, error) {
	value := os.Getenv(variable)
	if value == "" {
		return 0, nil
	}
	return strconv.Atoi(value)
}
