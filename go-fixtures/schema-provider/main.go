// Command schema-provider is a Terraform provider of protocol 6 that only has a schema:
// the message in the file that it is given, whatever its size.
package main

import (
	"context"
	"errors"
	"log"
	"os"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Schema answers GetProviderSchema. It has no generated code: what protobuf does not
// know in a message, it sends as it is.
type Schema struct {
	plugin.NetRPCUnsupportedPlugin
	Message []byte
}

func (s *Schema) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	get := grpc.MethodDesc{MethodName: "GetProviderSchema", Handler: s.get}
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "tfplugin6.Provider",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{get},
	}, s)
	return nil
}

func (s *Schema) get(
	_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
) (any, error) {
	if err := decode(&emptypb.Empty{}); err != nil {
		return nil, err
	}
	var answer emptypb.Empty
	answer.ProtoReflect().SetUnknown(s.Message)
	return &answer, nil
}

func (s *Schema) GRPCClient(
	context.Context, *plugin.GRPCBroker, *grpc.ClientConn,
) (any, error) {
	return nil, errors.New("the host is not written in Go")
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: schema-provider FILE")
	}
	message, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  5,
			MagicCookieKey:   "TF_PLUGIN_MAGIC_COOKIE",
			MagicCookieValue: "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2",
		},
		VersionedPlugins: map[int]plugin.PluginSet{6: {"provider": &Schema{Message: message}}},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
}
