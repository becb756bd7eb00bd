package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"goplugin_py/go-fixtures/echo"
)

const (
	bigSize = 64 << 20
	// Long enough that a call which is not cut short is noticed.
	longSleep = 30
	// How much later than asked for a call may be cut short.
	cutShortWithin = 5 * time.Second
)

func unary(ctx context.Context, s *session) (detail, error) {
	request := &echo.Payload{Data: []byte("hällo\x00\xff"), Number: -1 << 63}
	reply, err := s.echo.Unary(ctx, request)
	if err != nil {
		return nil, err
	}
	return nil, samePayload(reply, request)
}

func samePayload(got, want *echo.Payload) error {
	if got.Number != want.Number {
		return differ("number", got.Number, want.Number)
	}
	if !bytes.Equal(got.Data, want.Data) {
		return differ("data", digest(got.Data), digest(want.Data))
	}
	return nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// pattern returns bytes that do not repeat where chunks are likely to be cut.
func pattern(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i % 251)
	}
	return data
}

func serverStream(ctx context.Context, s *session) (detail, error) {
	const count, size = 1000, 1024
	stream, err := s.echo.ServerStream(ctx, &echo.StreamRequest{Count: count, Size: size})
	if err != nil {
		return nil, err
	}
	received := int64(0)
	for {
		payload, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return detail{"messages": received}, err
		}
		if payload.Number != received {
			return nil, differ("number", payload.Number, received)
		}
		if len(payload.Data) != size {
			return nil, differ("size", len(payload.Data), size)
		}
		received++
	}
	if received != count {
		return nil, differ("messages", received, count)
	}
	return detail{"messages": received}, nil
}

func clientStream(ctx context.Context, s *session) (detail, error) {
	const count = 1000
	stream, err := s.echo.ClientStream(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	total := int64(0)
	for number := range int64(count) {
		data := pattern(int(number))
		sum.Write(data)
		total += number
		if err := stream.Send(&echo.Payload{Data: data, Number: number}); err != nil {
			return nil, err
		}
	}
	summary, err := stream.CloseAndRecv()
	if err != nil {
		return nil, err
	}
	if summary.Messages != count || summary.Bytes != total {
		return nil, differ("messages and bytes",
			[]int64{summary.Messages, summary.Bytes}, []int64{count, total})
	}
	if !bytes.Equal(summary.Sha256, sum.Sum(nil)) {
		return nil, errors.New("the digests differ")
	}
	return detail{"messages": count, "bytes": total}, nil
}

func bidi(ctx context.Context, s *session) (detail, error) {
	const count = 200
	stream, err := s.echo.Bidi(ctx)
	if err != nil {
		return nil, err
	}
	// In lockstep, so that a server which answers only at the end is found out.
	for number := range int64(count) {
		sent := &echo.Payload{Data: pattern(100), Number: number}
		if err := stream.Send(sent); err != nil {
			return nil, err
		}
		received, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		if err := samePayload(received, sent); err != nil {
			return nil, err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		return nil, differ("end of stream", err, io.EOF)
	}
	return detail{"messages": count}, nil
}

func big(ctx context.Context, s *session) (detail, error) {
	request := &echo.Payload{Data: pattern(bigSize), Number: 1}
	started := time.Now()
	reply, err := s.echo.Unary(ctx, request)
	if err != nil {
		return nil, err
	}
	seen := detail{"bytes": len(reply.Data), "seconds": time.Since(started).Seconds()}
	return seen, samePayload(reply, request)
}

func concurrent(ctx context.Context, s *session) (detail, error) {
	const callers, calls = 50, 20
	failures := make(chan error, callers)
	for caller := range callers {
		go func() { failures <- manyCalls(ctx, s, caller, calls) }()
	}
	var all error
	for range callers {
		all = errors.Join(all, <-failures)
	}
	return detail{"calls": callers * calls}, all
}

func manyCalls(ctx context.Context, s *session, caller, calls int) error {
	for call := range calls {
		request := &echo.Payload{Data: pattern(caller), Number: int64(caller*calls + call)}
		reply, err := s.echo.Unary(ctx, request)
		if err != nil {
			return err
		}
		if err := samePayload(reply, request); err != nil {
			return err
		}
	}
	return nil
}

// fail asks for every status code, with a message and with a detail.
func fail(ctx context.Context, s *session) (detail, error) {
	const message, detailText = "nöt tödäy: 100% \"sure\"\nsecond line", "a détail"
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		_, err := s.echo.Fail(ctx, &echo.FailRequest{
			Code: int32(code), Message: message, Detail: detailText,
		})
		got := status.Convert(err)
		if got.Code() != code {
			return nil, differ("code", err, code)
		}
		if got.Message() != message {
			return nil, differ(fmt.Sprintf("message of %v", code), got.Message(), message)
		}
		if err := oneString(got.Details(), detailText); err != nil {
			return nil, fmt.Errorf("%v: %w", code, err)
		}
	}
	_, err := s.echo.Fail(ctx, &echo.FailRequest{Code: int32(codes.NotFound)})
	if got := status.Convert(err); got.Code() != codes.NotFound || len(got.Details()) != 0 {
		return nil, differ("without message and detail", err, codes.NotFound)
	}
	return detail{"codes": int(codes.Unauthenticated)}, nil
}

func oneString(details []any, want string) error {
	if len(details) != 1 {
		return differ("number of details", len(details), 1)
	}
	value, ok := details[0].(*wrapperspb.StringValue)
	if !ok || value.Value != want {
		return differ("detail", details[0], want)
	}
	return nil
}

func deadline(ctx context.Context, s *session) (detail, error) {
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	started := time.Now()
	_, err := s.echo.Sleep(short, &echo.SleepRequest{Seconds: longSleep})
	return cutShort(started, err, codes.DeadlineExceeded)
}

func cutShort(started time.Time, err error, want codes.Code) (detail, error) {
	took := time.Since(started)
	seen := detail{"seconds": took.Seconds()}
	if status.Code(err) != want {
		return seen, differ("code", err, want)
	}
	if took > cutShortWithin {
		return seen, differ("duration", took, cutShortWithin)
	}
	return seen, nil
}

// cancelCalls cancels a unary call and an open stream, and checks that the connection
// survives it.
func cancelCalls(ctx context.Context, s *session) (detail, error) {
	if seen, err := cancelSleep(ctx, s); err != nil {
		return seen, err
	}
	if seen, err := cancelStream(ctx, s); err != nil {
		return seen, err
	}
	return unary(ctx, s)
}

func cancelSleep(ctx context.Context, s *session) (detail, error) {
	cancellable, cancel := context.WithCancel(ctx)
	defer cancel()
	started := time.Now()
	time.AfterFunc(200*time.Millisecond, cancel)
	_, err := s.echo.Sleep(cancellable, &echo.SleepRequest{Seconds: longSleep})
	return cutShort(started, err, codes.Canceled)
}

func cancelStream(ctx context.Context, s *session) (detail, error) {
	cancellable, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.echo.Bidi(cancellable)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&echo.Payload{Number: 1}); err != nil {
		return nil, err
	}
	if _, err := stream.Recv(); err != nil {
		return nil, err
	}
	started := time.Now()
	cancel()
	_, err = stream.Recv()
	return cutShort(started, err, codes.Canceled)
}

func metadataBothWays(ctx context.Context, s *session) (detail, error) {
	want := map[string]string{"x-echo": "there and back", "x-other": "1"}
	ctx = metadata.NewOutgoingContext(ctx, metadata.New(want))
	ctx = metadata.AppendToOutgoingContext(ctx, "not-for-echo", "2")
	var header, trailer metadata.MD
	reply, err := s.echo.Metadata(ctx, &echo.Payload{}, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		return nil, err
	}
	seen := detail{"received": reply.Received, "header": header, "trailer": trailer}
	if fmt.Sprint(reply.Received) != fmt.Sprint(want) {
		return seen, differ("received", reply.Received, want)
	}
	if got := header.Get("x-initial"); len(got) != 1 || got[0] != want["x-echo"] {
		return seen, differ("x-initial", got, want["x-echo"])
	}
	if got := trailer.Get("x-trailing"); len(got) != 1 || got[0] != want["x-echo"] {
		return seen, differ("x-trailing", got, want["x-echo"])
	}
	return seen, nil
}

// hold opens a stream and leaves it open, which keeps a worker of the plugin busy
// until the end.
func hold(_ context.Context, s *session) (detail, error) {
	stream, err := s.echo.Bidi(context.Background())
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&echo.Payload{Number: 1}); err != nil {
		return nil, err
	}
	_, err = stream.Recv()
	return nil, err
}

// sleepOn starts a long call and leaves it running. The plugin must log "sleeping" when
// it has begun.
func sleepOn(ctx context.Context, s *session) (detail, error) {
	mark := s.heard.log.mark()
	go func() {
		_, _ = s.echo.Sleep(context.Background(), &echo.SleepRequest{Seconds: longSleep})
	}()
	if s.heard.log.waitForEntry(ctx, mark, logged("sleeping")) == nil {
		return nil, errors.New("the call does not begin")
	}
	return nil, nil
}
