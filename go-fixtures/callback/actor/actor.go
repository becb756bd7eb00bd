// Package actor implements callback.Actor on a go-plugin broker, for plugins and hosts.
package actor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"goplugin_py/go-fixtures/callback"
)

// PluginName is what hosts dispense.
const PluginName = "callback"

// Handshake is what both sides agree on.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "CALLBACK_PLUGIN",
	MagicCookieValue: "0b7d93c2",
}

// acceptTimeout bounds the wait until a brokered server is there.
const acceptTimeout = 10 * time.Second

var unlimited = []grpc.CallOption{
	grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32),
}

// Actor does on its side's broker what it is told.
type Actor struct {
	callback.UnimplementedActorServer
	broker  *plugin.GRPCBroker
	mutex   sync.Mutex // guards servers
	servers map[uint32]*brokered
}

type brokered struct {
	*grpc.Server
	peer *peer
}

// New returns an Actor that uses broker.
func New(broker *plugin.GRPCBroker) *Actor {
	return &Actor{broker: broker, servers: map[uint32]*brokered{}}
}

// Accept implements callback.ActorServer.
func (a *Actor) Accept(_ context.Context, request *callback.AcceptRequest) (*callback.Ids, error) {
	ids := request.Ids
	for range request.Count {
		ids = append(ids, a.broker.NextId())
	}
	for _, id := range ids {
		if err := a.serve(id); err != nil {
			return nil, err
		}
	}
	return &callback.Ids{Ids: ids}, nil
}

func (a *Actor) serve(id uint32) error {
	accepted := make(chan *brokered, 1)
	go a.broker.AcceptAndServe(id, func(options []grpc.ServerOption) *grpc.Server {
		server := NewServer(options)
		peer := &peer{id: id, waitedFor: make(chan struct{}, 1)}
		callback.RegisterPeerServer(server, peer)
		accepted <- &brokered{server, peer}
		return server
	})
	select {
	case server := <-accepted:
		a.mutex.Lock()
		defer a.mutex.Unlock()
		a.servers[id] = server
		return nil
	case <-time.After(acceptTimeout):
		return fmt.Errorf("id %d could not be accepted", id)
	}
}

// Stop implements callback.ActorServer.
func (a *Actor) Stop(ctx context.Context, request *callback.StopRequest) (*callback.Ids, error) {
	for _, id := range request.Ids {
		a.mutex.Lock()
		server := a.servers[id]
		delete(a.servers, id)
		a.mutex.Unlock()
		if server == nil {
			return nil, fmt.Errorf("nothing is served under id %d", id)
		}
		if request.WhenWaitedFor {
			select {
			case <-server.peer.waitedFor:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		server.Stop()
	}
	return &callback.Ids{Ids: request.Ids}, nil
}

// Dial implements callback.ActorServer.
func (a *Actor) Dial(ctx context.Context, request *callback.DialRequest) (*callback.DialReply, error) {
	reply := &callback.DialReply{Errors: map[uint32]string{}}
	var mutex sync.Mutex // guards reply
	var all sync.WaitGroup
	places := make(chan struct{}, max(request.AtOnce, 1))
	for _, id := range request.Ids {
		places <- struct{}{}
		all.Add(1)
		go func() {
			defer all.Done()
			good, err := a.dial(ctx, id, request)
			mutex.Lock()
			defer mutex.Unlock()
			reply.Good += good
			if err != nil {
				reply.Errors[id] = err.Error()
			}
			<-places
		}()
	}
	all.Wait()
	return reply, nil
}

func (a *Actor) dial(ctx context.Context, id uint32, request *callback.DialRequest) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(request.Timeout*float64(time.Second)))
	defer cancel()
	conn, err := a.broker.Dial(id)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return callAll(calls(ctx, callback.NewPeerClient(conn), id, request))
}

// calls returns all that is to be called on one connection.
func calls(ctx context.Context, peer callback.PeerClient, id uint32, request *callback.DialRequest) []func() error {
	var calls []func() error
	for n := range request.Sums {
		calls = append(calls, func() error {
			answer, err := peer.Sum(ctx, &callback.Numbers{Values: []int64{int64(n), 1}})
			if err == nil && !slices.Equal(answer.Values, []int64{int64(n) + 1, int64(id)}) {
				err = fmt.Errorf("not the sum and the id: %v", answer.Values)
			}
			return err
		})
	}
	for n := range request.Blobs {
		calls = append(calls, func() error {
			data := bytes.Repeat([]byte{byte(id), byte(n)}, int(request.Size/2))
			answer, err := peer.Blob(ctx, &callback.Data{Data: data}, unlimited...)
			if err == nil && !bytes.Equal(answer.Data, data) {
				err = errors.New("not the data")
			}
			return err
		})
	}
	if request.Wait {
		calls = append(calls, func() error {
			_, err := peer.Wait(ctx, &callback.Numbers{Values: []int64{int64(id)}})
			return err
		})
	}
	return calls
}

func callAll(calls []func() error) (good int64, err error) {
	errs := make(chan error)
	for _, call := range calls {
		go func() { errs <- call() }()
	}
	for range calls {
		if e := <-errs; e != nil {
			err = e
		} else {
			good++
		}
	}
	return good, err
}
