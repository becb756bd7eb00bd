package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"sync"
	"time"
	"unsafe"

	"github.com/hashicorp/yamux"
)

type framesCase struct {
	IsClient bool `json:"is_client"`
	// What our end has done before the bytes come.
	Opened int  `json:"opened"`
	Closed int  `json:"closed"` // of those opened
	GoAway bool `json:"go_away"`

	Bytes []byte `json:"bytes"`
	// Sent is how many bytes our end sends in all; the verdict waits for them.
	Sent int `json:"sent"`
}

type framesVerdict struct {
	Error   string                 `json:"error"` // of the session, if it has ended
	Streams map[uint32]streamFacts `json:"streams"`
	Sent    []byte                 `json:"sent"`
}

// streamFacts is how a stream is when its session has read all bytes.
type streamFacts struct {
	State    int    `json:"state"` // yamux: streamState
	Received []byte `json:"received"`
	Credit   uint32 `json:"credit"`
}

// judgeFrames gives bytes to a yamux.Session, and looks at it once it asks for more.
//
// Nobody accepts or reads, so that all depends on the bytes alone.
func judgeFrames(one framesCase) (verdict framesVerdict, err error) {
	conn := newConn(one.Bytes)
	session, err := newSession(conn, one.IsClient)
	if err != nil {
		return verdict, err
	}
	defer session.Close()
	if err := prepare(session, one); err != nil {
		return verdict, err
	}
	close(conn.begin)
	select {
	case <-conn.drained:
	case <-session.CloseChan():
		return framesVerdict{Error: (*inside[error](session, "shutdownErr")).Error()}, nil
	case <-time.After(patience):
		return verdict, errors.New("yamux neither reads on nor ends")
	}
	verdict.Streams = map[uint32]streamFacts{}
	for id, stream := range *inside[map[uint32]*yamux.Stream](session, "streams") {
		verdict.Streams[id] = factsOf(stream)
	}
	verdict.Sent = conn.awaitSent(one.Sent)
	return verdict, nil
}

func newSession(conn net.Conn, isClient bool) (*yamux.Session, error) {
	config := yamux.DefaultConfig()
	config.LogOutput = io.Discard
	if isClient {
		return yamux.Client(conn, config)
	}
	return yamux.Server(conn, config)
}

func prepare(session *yamux.Session, one framesCase) error {
	for i := range one.Opened {
		stream, err := session.OpenStream()
		if err != nil {
			return err
		}
		if i < one.Closed {
			if err := stream.Close(); err != nil {
				return err
			}
		}
	}
	if one.GoAway {
		return session.GoAway()
	}
	return nil
}

func factsOf(stream *yamux.Stream) streamFacts {
	facts := streamFacts{
		State:  *inside[int](stream, "state"),
		Credit: *inside[uint32](stream, "sendWindow"),
	}
	if buffer := *inside[*bytes.Buffer](stream, "recvBuf"); buffer != nil {
		facts.Received = buffer.Bytes()
	}
	return facts
}

// inside returns a field that yamux keeps to itself.
func inside[T any](of any, name string) *T {
	field := reflect.ValueOf(of).Elem().FieldByName(name)
	return (*T)(unsafe.Pointer(field.UnsafeAddr()))
}

// conn is a connection on which some bytes come, and then none.
type conn struct {
	incoming *bytes.Reader
	begin    chan struct{} // closed when the bytes may come
	drained  chan struct{} // closed when more than the bytes is asked for
	once     sync.Once
	closed   chan struct{}

	sent chan []byte
}

func newConn(incoming []byte) *conn {
	return &conn{
		incoming: bytes.NewReader(incoming),
		begin:    make(chan struct{}),
		drained:  make(chan struct{}),
		closed:   make(chan struct{}),
		sent:     make(chan []byte, 4096),
	}
}

func (c *conn) Read(buffer []byte) (int, error) {
	select {
	case <-c.begin:
	case <-c.closed:
		return 0, net.ErrClosed
	}
	if c.incoming.Len() > 0 {
		return c.incoming.Read(buffer)
	}
	c.once.Do(func() { close(c.drained) })
	<-c.closed
	return 0, net.ErrClosed
}

func (c *conn) Write(data []byte) (int, error) {
	select {
	case c.sent <- bytes.Clone(data):
		return len(data), nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// awaitSent returns what was sent, once there is that much of it.
func (c *conn) awaitSent(count int) []byte {
	sent := []byte{}
	for expired := time.After(patience); len(sent) < count; {
		select {
		case data := <-c.sent:
			sent = append(sent, data...)
		case <-expired:
			return sent
		}
	}
	return sent
}

// Close is called once, by the session.
func (c *conn) Close() error { close(c.closed); return nil }

func (*conn) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (*conn) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
func (*conn) SetDeadline(time.Time) error      { return nil }
func (*conn) SetReadDeadline(time.Time) error  { return nil }
func (*conn) SetWriteDeadline(time.Time) error { return nil }
