package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"goplugin_py/go-fixtures/echo"
)

// timings answers each line of stdin with a line of durations in seconds, until stdin
// ends. The lines are those of interop/bench/hosts, of which this is the one in Go.
func timings(_ context.Context, s *session) (detail, error) {
	if _, err := once(s, 1); err != nil {
		return nil, err
	}
	fmt.Println("ready", s.ReattachConfig().Pid)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		answer, err := timed(s, lines.Text())
		if err != nil {
			answer = []time.Duration{}
			fmt.Print("error ", strings.ReplaceAll(err.Error(), "\n", " "))
		}
		for _, duration := range answer {
			fmt.Printf("%.9f ", duration.Seconds())
		}
		fmt.Println()
	}
	return nil, lines.Err()
}

func timed(s *session, line string) ([]time.Duration, error) {
	var what string
	var count, number int
	if _, err := fmt.Sscan(line, &what, &count, &number); err != nil {
		return nil, err
	}
	switch what {
	case "unary":
		return unaryCalls(s, count, number)
	case "flight":
		return inFlight(s, count, number)
	case "stream":
		return streamed(s, count, number)
	}
	return nil, fmt.Errorf("cannot %q", what)
}

func once(s *session, size int) (time.Duration, error) {
	request := &echo.Payload{Data: make([]byte, size)}
	started := time.Now()
	_, err := s.echo.Unary(context.Background(), request)
	return time.Since(started), err
}

func unaryCalls(s *session, count, size int) ([]time.Duration, error) {
	durations := make([]time.Duration, count)
	for i := range durations {
		var err error
		if durations[i], err = once(s, size); err != nil {
			return nil, err
		}
	}
	return durations, nil
}

func inFlight(s *session, count, width int) ([]time.Duration, error) {
	var group sync.WaitGroup
	failures := make(chan error, width)
	started := time.Now()
	for range width {
		group.Add(1)
		go func() {
			defer group.Done()
			if _, err := unaryCalls(s, count/width, 64); err != nil {
				failures <- err
			}
		}()
	}
	group.Wait()
	took := time.Since(started)
	close(failures)
	return []time.Duration{took}, <-failures
}

func streamed(s *session, count, size int) ([]time.Duration, error) {
	started := time.Now()
	request := &echo.StreamRequest{Count: int64(count), Size: int64(size)}
	stream, err := s.echo.ServerStream(context.Background(), request)
	if err != nil {
		return nil, err
	}
	received := 0
	for {
		_, err = stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		received++
	}
	if received != count {
		return nil, differ("messages", received, count)
	}
	return []time.Duration{time.Since(started)}, nil
}
