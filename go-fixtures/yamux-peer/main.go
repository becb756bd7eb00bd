// Command yamux-peer is one end of a yamux session, in either role, on a unix socket
// that somebody else listens on.
//
//	yamux-peer [flags] SOCKET
//
// When the session is over it prints, as JSON, what its streams carried. What yamux
// logs goes to stderr.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/hashicorp/yamux"
)

// How long the other end may take to close the session once all is done.
const closeWithin = 10 * time.Second

type options struct {
	role         string
	mode         string
	seed         uint64
	streams      int
	peerStreams  int
	closeTimeout time.Duration
	socket       string
}

func main() {
	if err := run(parse()); err != nil {
		fmt.Fprintf(os.Stderr, "yamux-peer: %v\n", err)
		os.Exit(1)
	}
}

func parse() options {
	var o options
	flag.StringVar(&o.role, "role", "server", "client or server")
	flag.StringVar(&o.mode, "mode", "serve",
		"serve: obey the first line of each stream; random: talk at random; "+
			"deaf: accept no stream")
	flag.Uint64Var(&o.seed, "seed", 0, "for what is random")
	flag.IntVar(&o.streams, "streams", 0, "how many streams to open at random")
	flag.IntVar(&o.peerStreams, "peer-streams", 0, "how many the other end opens")
	flag.DurationVar(&o.closeTimeout, "close-timeout", 0,
		"StreamCloseTimeout, if not yamux's own")
	flag.Parse()
	o.socket = flag.Arg(0)
	return o
}

func run(o options) error {
	conn, err := net.Dial("unix", o.socket)
	if err != nil {
		return err
	}
	session, err := newSession(o, conn)
	if err != nil {
		return err
	}
	defer session.Close()
	r := &report{Streams: map[uint32]*outcome{}}
	switch o.mode {
	case "serve":
		serve(session, r)
	case "random":
		talk(session, r, o)
		if err := awaitClose(session); err != nil {
			return err
		}
	case "deaf":
		<-session.CloseChan()
	default:
		return fmt.Errorf("no such mode: %s", o.mode)
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	return json.NewEncoder(os.Stdout).Encode(r)
}

func newSession(o options, conn net.Conn) (*yamux.Session, error) {
	config := yamux.DefaultConfig()
	if o.closeTimeout > 0 {
		config.StreamCloseTimeout = o.closeTimeout
	}
	if o.role == "client" {
		return yamux.Client(conn, config)
	}
	return yamux.Server(conn, config)
}

func awaitClose(session *yamux.Session) error {
	select {
	case <-session.CloseChan():
		return nil
	case <-time.After(closeWithin):
		return errors.New("the other end did not close the session")
	}
}
