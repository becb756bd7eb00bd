package main

import (
	"io"
	"math/rand/v2"
	"sync"

	"github.com/hashicorp/yamux"
)

const (
	openAtOnce = 8
	maxWrites  = 6
	// More than a window, so that some writes wait for credit.
	maxWrite  = 400_000
	smallSize = 2_000
	maxRead   = 70_000
	pingOneIn = 3
)

// talk opens streams and accepts others; each writes, reads and ends at random.
func talk(session *yamux.Session, r *report, o options) {
	var running sync.WaitGroup
	defer running.Wait()
	running.Add(1)
	go func() {
		defer running.Done()
		for range o.peerStreams {
			stream, err := session.AcceptStream()
			if err != nil {
				return
			}
			running.Add(1)
			go func() {
				defer running.Done()
				converse(r.record(stream), o.seed)
			}()
		}
	}()
	slots := make(chan struct{}, openAtOnce)
	for i := range o.streams {
		slots <- struct{}{}
		if (uint64(i)+o.seed)%pingOneIn == 0 {
			ping(session, r)
		}
		stream, err := session.OpenStream()
		if err != nil {
			return
		}
		running.Add(1)
		go func() {
			defer running.Done()
			converse(r.record(stream), o.seed)
			<-slots
		}()
	}
}

func ping(session *yamux.Session, r *report) {
	if _, err := session.Ping(); err == nil {
		r.countPing()
	}
}

// converse writes and half-closes in one goroutine and reads in another.
func converse(stream *recorded, seed uint64) {
	var both sync.WaitGroup
	both.Add(2)
	go func() {
		defer both.Done()
		write(stream, rand.New(rand.NewPCG(seed, uint64(stream.StreamID()))))
		stream.Close()
	}()
	go func() {
		defer both.Done()
		read(stream, rand.New(rand.NewPCG(uint64(stream.StreamID()), seed)))
	}()
	both.Wait()
}

func write(stream *recorded, random *rand.Rand) {
	content := noise(random.Uint64())
	for range random.IntN(maxWrites) {
		size := random.IntN(smallSize)
		if random.IntN(3) == 0 {
			size = random.IntN(maxWrite)
		}
		data := make([]byte, size)
		io.ReadFull(content, data)
		if _, err := stream.Write(data); err != nil {
			return
		}
	}
}

func read(stream *recorded, random *rand.Rand) {
	for {
		if _, err := stream.Read(make([]byte, 1+random.IntN(maxRead))); err != nil {
			return
		}
	}
}
