package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/yamux"
)

// serve obeys every stream until the session ends.
func serve(session *yamux.Session, r *report) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return
		}
		running.Add(1)
		go func() {
			defer running.Done()
			obey(session, r, r.record(stream))
		}()
	}
}

// obey reads the command in a stream's first line, follows it, and closes the stream.
func obey(session *yamux.Session, r *report, stream *recorded) {
	defer stream.Close()
	line, err := readLine(stream)
	if err != nil {
		return
	}
	command, argument, _ := strings.Cut(line, " ")
	switch command {
	case "echo":
		io.Copy(stream, stream)
	case "count":
		count, _ := io.Copy(io.Discard, stream)
		fmt.Fprint(stream, count)
	case "source":
		size, _ := strconv.ParseInt(argument, 10, 64)
		io.CopyN(stream, noise(uint64(stream.StreamID())), size)
	case "wait":
		io.Copy(io.Discard, stream)
	case "stall":
		<-session.CloseChan()
	case "bye":
		stream.Close()
		io.Copy(io.Discard, stream)
	case "ping":
		_, err := session.Ping()
		r.countPing()
		answer(stream, err)
	case "open":
		answer(stream, openEcho(session, r))
	case "goaway":
		answer(stream, session.GoAway())
	case "close":
		session.Close()
	default:
		fmt.Fprintf(stream, "no such command: %s", command)
	}
}

// readLine reads no further than the line.
func readLine(stream io.Reader) (string, error) {
	var line strings.Builder
	for one := make([]byte, 1); ; {
		if _, err := io.ReadFull(stream, one); err != nil {
			return "", err
		}
		if one[0] == '\n' {
			return line.String(), nil
		}
		line.WriteByte(one[0])
	}
}

func answer(stream io.Writer, err error) {
	if err != nil {
		fmt.Fprint(stream, err)
	} else {
		fmt.Fprint(stream, "ok")
	}
}

// openEcho opens a stream on which it echoes.
func openEcho(session *yamux.Session, r *report) error {
	opened, err := session.OpenStream()
	if err != nil {
		return err
	}
	stream := r.record(opened)
	go func() {
		io.Copy(stream, stream)
		stream.Close()
	}()
	return nil
}

// noise is an endless stream of bytes.
func noise(seed uint64) io.Reader {
	var key [32]byte
	key[0] = byte(seed)
	return rand.NewChaCha8(key)
}
