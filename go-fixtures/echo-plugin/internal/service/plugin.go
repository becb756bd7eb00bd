// Package service implements the Echo service and the parts of a plugin process that
// its two programs share.
package service

import (
	"context"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"goplugin_py/go-fixtures/echo"
)

// PluginName is what hosts dispense.
const PluginName = "echo"

// Handshake is what hosts must present.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "ECHO_PLUGIN",
	MagicCookieValue: "5f0c1a5e",
}

// The process's own stdout and stderr, which plugin.Serve takes out of os.Stdout and
// os.Stderr.
var originalStdout, originalStderr = os.Stdout, os.Stderr

// NewLogger returns the logger that plugin.Serve would make for itself.
func NewLogger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Level:      hclog.Trace,
		Output:     originalStderr,
		JSONFormat: true,
	})
}

// NewGRPCServer makes a server without message size limits.
func NewGRPCServer(options []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(options,
		grpc.MaxRecvMsgSize(math.MaxInt32),
		grpc.MaxSendMsgSize(math.MaxInt32))...)
}

// ParseVersions parses a comma-separated list of protocol versions.
func ParseVersions(list string) ([]int, error) {
	var versions []int
	for _, item := range strings.Split(list, ",") {
		version, err := strconv.Atoi(item)
		if err != nil {
			return nil, err
		}
		versions = append(versions, version)
	}
	return versions, nil
}

type echoPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	logger hclog.Logger
}

// NewPlugin returns the plugin that serves Echo and logs to logger.
func NewPlugin(logger hclog.Logger) plugin.Plugin {
	return &echoPlugin{logger: logger}
}

func (p *echoPlugin) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	echo.RegisterEchoServer(server, &Server{logger: p.logger})
	return nil
}

func (p *echoPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return echo.NewEchoClient(conn), nil
}
