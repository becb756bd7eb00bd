// Command plugin serves callback.Actor with plugin.Serve.
package main

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"goplugin_py/go-fixtures/callback"
	"goplugin_py/go-fixtures/callback/actor"
)

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: actor.Handshake,
		GRPCServer:      actor.NewServer,
		Plugins:         plugin.PluginSet{actor.PluginName: &callbackPlugin{}},
	})
}

// callbackPlugin is the plugin's half.
type callbackPlugin struct {
	plugin.NetRPCUnsupportedPlugin
}

func (*callbackPlugin) GRPCServer(broker *plugin.GRPCBroker, server *grpc.Server) error {
	callback.RegisterActorServer(server, actor.New(broker))
	return nil
}

func (*callbackPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is a plugin")
}
