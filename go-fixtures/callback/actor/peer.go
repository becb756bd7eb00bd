package actor

import (
	"context"
	"math"

	"google.golang.org/grpc"

	"goplugin_py/go-fixtures/callback"
)

// NewServer makes a server without message size limits.
func NewServer(options []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(options,
		grpc.MaxRecvMsgSize(math.MaxInt32),
		grpc.MaxSendMsgSize(math.MaxInt32))...)
}

type peer struct {
	callback.UnimplementedPeerServer
	id        uint32
	waitedFor chan struct{}
}

func (p *peer) Sum(_ context.Context, request *callback.Numbers) (*callback.Numbers, error) {
	var sum int64
	for _, value := range request.Values {
		sum += value
	}
	return &callback.Numbers{Values: []int64{sum, int64(p.id)}}, nil
}

func (*peer) Blob(_ context.Context, request *callback.Data) (*callback.Data, error) {
	return request, nil
}

func (p *peer) Wait(ctx context.Context, _ *callback.Numbers) (*callback.Numbers, error) {
	select {
	case p.waitedFor <- struct{}{}:
	default:
	}
	<-ctx.Done()
	return nil, ctx.Err()
}
