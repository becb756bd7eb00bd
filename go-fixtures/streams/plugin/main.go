// Command plugin is examples/streams/gzip_plugin.py in Go: it compresses what the host
// lends it to read, into what the host lends it to write to.
package main

import (
	"compress/gzip"
	"context"
	"errors"
	"io"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"goplugin_py/go-fixtures/streams"
)

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "STREAMS_PLUGIN",
			MagicCookieValue: "filter",
		},
		GRPCServer: plugin.DefaultGRPCServer,
		Plugins:    plugin.PluginSet{"filter": &filterPlugin{}},
	})
}

type filterPlugin struct {
	plugin.NetRPCUnsupportedPlugin
}

func (*filterPlugin) GRPCServer(broker *plugin.GRPCBroker, server *grpc.Server) error {
	streams.RegisterFilterServer(server, &filter{broker: broker})
	return nil
}

func (*filterPlugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is a plugin")
}

type filter struct {
	streams.UnimplementedFilterServer
	broker *plugin.GRPCBroker
}

func (f *filter) Run(ctx context.Context, request *streams.RunRequest) (*streams.RunReply, error) {
	source, err := f.broker.Dial(request.Source)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	sink, err := f.broker.Dial(request.Sink)
	if err != nil {
		return nil, err
	}
	defer sink.Close()

	input, err := streams.NewSourceClient(source).Read(ctx, &streams.ReadRequest{})
	if err != nil {
		return nil, err
	}
	output, err := streams.NewSinkClient(sink).Write(ctx)
	if err != nil {
		return nil, err
	}
	size, err := compress(input, output)
	if err != nil {
		return nil, err
	}
	_, err = output.CloseAndRecv()
	return &streams.RunReply{BytesRead: size}, err
}

func compress(input streams.Source_ReadClient, output streams.Sink_WriteClient) (int64, error) {
	var size int64
	compressed := gzip.NewWriter(&writer{output})
	for {
		chunk, err := input.Recv()
		if err == io.EOF {
			return size, compressed.Close()
		}
		if err != nil {
			return size, err
		}
		if _, err := compressed.Write(chunk.Data); err != nil {
			return size, err
		}
		size += int64(len(chunk.Data))
	}
}

// writer is an io.Writer that sends each piece to the host.
type writer struct {
	streams.Sink_WriteClient
}

func (w *writer) Write(data []byte) (int, error) {
	return len(data), w.Send(&streams.Chunk{Data: data})
}
