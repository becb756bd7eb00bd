package main

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"sync"

	"github.com/hashicorp/yamux"
)

// report is what goes to stdout.
type report struct {
	lock    sync.Mutex
	Streams map[uint32]*outcome `json:"streams"`
	Pings   int                 `json:"pings"`
}

// outcome is what one stream came to. The error is the first of its reads or writes.
type outcome struct {
	lock     sync.Mutex
	Sent     *direction `json:"sent"`
	Received *direction `json:"received"`
	Error    string     `json:"error"`
}

// direction counts and hashes.
type direction struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	hash   hash.Hash
}

func newDirection() *direction {
	d := &direction{hash: sha256.New()}
	d.add(nil)
	return d
}

func (d *direction) add(data []byte) {
	d.hash.Write(data)
	d.Bytes += int64(len(data))
	d.SHA256 = hex.EncodeToString(d.hash.Sum(nil))
}

// recorded is a stream whose traffic goes into an outcome.
type recorded struct {
	*yamux.Stream
	outcome *outcome
}

func (r *report) record(stream *yamux.Stream) *recorded {
	o := &outcome{Sent: newDirection(), Received: newDirection()}
	r.lock.Lock()
	defer r.lock.Unlock()
	r.Streams[stream.StreamID()] = o
	return &recorded{stream, o}
}

func (r *report) countPing() {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.Pings++
}

func (s *recorded) Read(data []byte) (int, error) {
	count, err := s.Stream.Read(data)
	s.note(s.outcome.Received, data[:count], err)
	return count, err
}

func (s *recorded) Write(data []byte) (int, error) {
	count, err := s.Stream.Write(data)
	s.note(s.outcome.Sent, data[:count], err)
	return count, err
}

func (s *recorded) note(d *direction, data []byte, err error) {
	s.outcome.lock.Lock()
	defer s.outcome.lock.Unlock()
	d.add(data)
	if err != nil && err != io.EOF && s.outcome.Error == "" {
		s.outcome.Error = err.Error()
	}
}
