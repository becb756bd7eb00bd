package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/yamux"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
)

const startStream = "/plugin.GRPCBroker/StartStream"

// Under this id comes what shows that all before it was read.
const barrier = 0xBA881E8

// peer is the plugin's end of a link to a real host, with the broker's messages as
// bytes.
type peer struct {
	broker *plugin.GRPCBroker
	stub   *stub
	stream grpc.ServerStream
	said   chan []byte   // by the host
	ended  chan struct{} // closed when the host has left the stream
	opened chan net.Conn // by the host, after the main stream; multiplexed only
	closes []func()
}

// newPeer starts a plugin.Client on a server of ours, and takes its plugin.GRPCBroker.
func newPeer(mux bool) (_ *peer, err error) {
	p := &peer{
		said: make(chan []byte, 16), ended: make(chan struct{}), opened: make(chan net.Conn, 16),
	}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	directory, err := os.MkdirTemp("", "judge")
	if err != nil {
		return nil, err
	}
	p.closes = append(p.closes, func() { _ = os.RemoveAll(directory) })
	path := filepath.Join(directory, "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	p.closes = append(p.closes, func() { _ = listener.Close() })
	streams := make(chan grpc.ServerStream, 1)
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(p.handler(streams)))
	sessions := make(chan *yamux.Session, 1)
	if mux {
		go p.serveMultiplexed(listener, server, sessions)
	} else {
		go func() { _ = server.Serve(listener) }()
	}
	p.closes = append(p.closes, server.Stop)
	if err := p.connect(path, mux); err != nil {
		return nil, err
	}
	select {
	case p.stream = <-streams:
		if mux {
			session := <-sessions
			p.closes = append(p.closes, func() { _ = session.Close() })
		}
		return p, nil
	case <-time.After(patience):
		return nil, errors.New("the host does not open the broker's stream")
	}
}

func (p *peer) connect(path string, mux bool) error {
	p.stub = newStub("1|1|unix|"+path+"|grpc||true\n", "")
	p.closes = append(p.closes, p.stub.end)
	taken := &taker{}
	options := hostOptions{Versions: []int{1}, Mux: mux}
	client, err := plugin.NewClient(newHost(options, p.stub, hclog.NewNullLogger(), taken)).Client()
	if err != nil {
		return err
	}
	p.closes = append(p.closes, func() { _ = client.Close() })
	_, err = client.Dispense("taken")
	p.broker = taken.broker
	return err
}

// handler serves the broker's stream, and nothing else.
func (p *peer) handler(streams chan<- grpc.ServerStream) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); method != startStream {
			return status.Error(codes.Unimplemented, method)
		}
		streams <- stream
		defer close(p.ended)
		for {
			var message []byte
			if err := stream.RecvMsg(&message); err != nil {
				return err
			}
			p.said <- message
		}
	}
}

// serveMultiplexed serves the first stream of the one session.
func (p *peer) serveMultiplexed(
	listener net.Listener, server *grpc.Server, sessions chan<- *yamux.Session,
) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	config := yamux.DefaultConfig()
	config.LogOutput = io.Discard
	session, err := yamux.Server(conn, config)
	if err != nil {
		return
	}
	sessions <- session
	first, err := session.Accept()
	if err != nil {
		return
	}
	go func() { _ = server.Serve(&oneConn{conn: first, over: make(chan struct{})}) }()
	for {
		later, err := session.Accept()
		if err != nil {
			return
		}
		p.opened <- later
	}
}

// close takes everything down, the last first.
func (p *peer) close() {
	for i := len(p.closes) - 1; i >= 0; i-- {
		p.closes[i]()
	}
}

// send writes a message's bytes on the broker's stream.
func (p *peer) send(message []byte) error { return p.stream.SendMsg(message) }

// oneConn is a listener to which one connection comes.
type oneConn struct {
	conn net.Conn
	over chan struct{} // closed with the listener
	once sync.Once
}

func (o *oneConn) Accept() (net.Conn, error) {
	if conn := o.conn; conn != nil {
		o.conn = nil
		return conn, nil
	}
	<-o.over
	return nil, io.EOF
}

func (o *oneConn) Close() error { o.once.Do(func() { close(o.over) }); return nil }
func (*oneConn) Addr() net.Addr { return &net.UnixAddr{} }

// rawCodec leaves messages as they are.
type rawCodec struct{}

var _ encoding.Codec = rawCodec{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(message any) ([]byte, error) {
	data, ok := message.([]byte)
	if !ok {
		return nil, fmt.Errorf("not bytes: %T", message)
	}
	return data, nil
}

func (rawCodec) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), data...)
	return nil
}

// brokerCase is a message that comes while the host waits for something under an id.
type brokerCase struct {
	ID      uint32 `json:"id"`
	Message []byte `json:"message"`
	// Good shows, under the same id, that the message was read and was not the one.
	Good []byte `json:"good"`
	// Barrier shows, under the id `barrier`, that all before it was read.
	Barrier []byte `json:"barrier"`
	// Answers is how many messages the verdict waits for.
	Answers int `json:"answers"`
}

type brokerVerdict struct {
	Ended   bool     `json:"ended"` // the stream, by the message
	Address []string `json:"address"`
	Error   string   `json:"error"`
	Opened  bool     `json:"opened"`
	Said    []string `json:"said"` // in base64
}

// judgeOffer lets plugin.GRPCBroker.Dial take an address that is on offer.
func judgeOffer(one brokerCase) (verdict brokerVerdict, err error) {
	p, err := newPeer(false)
	if err != nil {
		return verdict, err
	}
	defer p.close()
	for _, message := range [][]byte{one.Message, one.Good, one.Barrier} {
		if err := p.send(message); err != nil {
			return brokerVerdict{Ended: true}, nil
		}
	}
	passed := make(chan error, 1)
	go func() {
		_, err := p.broker.Dial(barrier)
		passed <- err
	}()
	select {
	case err := <-passed:
		if err != nil {
			return brokerVerdict{Error: err.Error()}, nil
		}
	case <-p.ended:
		return brokerVerdict{Ended: true}, nil
	}
	conn, err := p.broker.Dial(one.ID)
	if err != nil {
		verdict.Error = err.Error()
	} else {
		_ = conn.Close()
	}
	address := p.stub.lastAddress()
	verdict.Address = address[:]
	return verdict, nil
}

// judgeKnock lets plugin.GRPCBroker.Accept answer knocks, on a multiplexed link.
func judgeKnock(one brokerCase) (verdict brokerVerdict, err error) {
	p, err := newPeer(true)
	if err != nil {
		return verdict, err
	}
	defer p.close()
	for _, id := range []uint32{one.ID, barrier} {
		listener, err := p.broker.Accept(id)
		if err != nil {
			return verdict, err
		}
		defer func() { _ = listener.Close() }()
	}
	if err := p.send(one.Message); err != nil {
		return brokerVerdict{Ended: true}, nil
	}
	expired := time.After(patience)
	for range one.Answers {
		select {
		case message := <-p.said:
			verdict.say(message)
		case <-p.ended:
			return brokerVerdict{Ended: true}, nil
		case <-expired:
			return verdict, nil
		}
	}
	if err := p.send(one.Barrier); err != nil {
		return brokerVerdict{Ended: true}, nil
	}
	select {
	case message := <-p.said:
		verdict.say(message)
	case <-p.ended:
		return brokerVerdict{Ended: true}, nil
	case <-expired:
	}
	return verdict, nil
}

func (v *brokerVerdict) say(message []byte) {
	v.Said = append(v.Said, base64.StdEncoding.EncodeToString(message))
}

// judgeAnswer lets plugin.GRPCBroker.Dial knock, on a multiplexed link.
func judgeAnswer(one brokerCase) (verdict brokerVerdict, err error) {
	p, err := newPeer(true)
	if err != nil {
		return verdict, err
	}
	defer p.close()
	conn, err := p.broker.Dial(one.ID)
	if err != nil {
		return verdict, err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		var nothing []byte
		failed <- conn.Invoke(ctx, "/judge/Judge", nothing, &nothing, grpc.ForceCodec(rawCodec{}))
	}()
	select {
	case <-p.said:
	case err := <-failed:
		return brokerVerdict{Error: err.Error()}, nil
	}
	for _, message := range [][]byte{one.Message, one.Good} {
		if err := p.send(message); err != nil {
			return brokerVerdict{Ended: true}, nil
		}
	}
	select {
	case <-p.opened:
		verdict.Opened = true
	case err := <-failed:
		verdict.Error = err.Error()
	case <-p.ended:
		verdict.Ended = true
	}
	return verdict, nil
}
