// Command manifest-plugin is a plugin that reports its manifest, as goplugin_py's
// registry asks for it, and does nothing else.
package main

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const text = `
id: manifest
name: A plugin in Go
author: The goplugin_py authors
version: 1.2.3
protocol_versions: [1]
`

// Manifest serves goplugin.Manifest. It has no generated code: its messages are ones
// that protobuf brings along.
type Manifest struct {
	plugin.NetRPCUnsupportedPlugin
	Text string
}

func (m *Manifest) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	get := grpc.MethodDesc{MethodName: "Get", Handler: m.get}
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "goplugin.Manifest",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{get},
	}, m)
	return nil
}

func (m *Manifest) get(
	_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
) (any, error) {
	if err := decode(&emptypb.Empty{}); err != nil {
		return nil, err
	}
	return wrapperspb.String(m.Text), nil
}

func (m *Manifest) GRPCClient(
	context.Context, *plugin.GRPCBroker, *grpc.ClientConn,
) (any, error) {
	return nil, errors.New("the host is not written in Go")
}

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "MANIFEST_PLUGIN",
			MagicCookieValue: "1",
		},
		Plugins:    plugin.PluginSet{"manifest": &Manifest{Text: text}},
		GRPCServer: plugin.DefaultGRPCServer,
	})
}
