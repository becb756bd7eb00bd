package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"goplugin_py/go-fixtures/echo"
)

// Server implements the Echo service as proto/echo.proto describes it.
type Server struct {
	echo.UnimplementedEchoServer
	logger hclog.Logger
}

func (s *Server) Unary(_ context.Context, request *echo.Payload) (*echo.Payload, error) {
	return request, nil
}

func (s *Server) ServerStream(request *echo.StreamRequest, stream echo.Echo_ServerStreamServer) error {
	if request.Count < 0 || request.Size < 0 {
		return status.Error(codes.InvalidArgument, "count and size must not be negative")
	}
	data := make([]byte, request.Size)
	for number := range request.Count {
		if err := stream.Send(&echo.Payload{Data: data, Number: number}); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) ClientStream(stream echo.Echo_ClientStreamServer) error {
	digest := sha256.New()
	summary := &echo.Summary{}
	for {
		payload, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			summary.Sha256 = digest.Sum(nil)
			return stream.SendAndClose(summary)
		}
		if err != nil {
			return err
		}
		digest.Write(payload.Data)
		summary.Messages++
		summary.Bytes += int64(len(payload.Data))
	}
}

func (s *Server) Bidi(stream echo.Echo_BidiServer) error {
	for {
		payload, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(payload); err != nil {
			return err
		}
	}
}

func (s *Server) Fail(_ context.Context, request *echo.FailRequest) (*echo.Payload, error) {
	failure := status.New(codes.Code(request.Code), request.Message)
	if request.Detail != "" {
		detailed, err := failure.WithDetails(wrapperspb.String(request.Detail))
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		failure = detailed
	}
	// A status of OK is no error, and every call needs one of the two.
	if failure.Code() == codes.OK {
		return &echo.Payload{}, nil
	}
	return nil, failure.Err()
}

func (s *Server) Sleep(ctx context.Context, request *echo.SleepRequest) (*echo.Payload, error) {
	timer := time.NewTimer(time.Duration(request.Seconds * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return &echo.Payload{}, nil
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

func (s *Server) Metadata(ctx context.Context, _ *echo.Payload) (*echo.MetadataReply, error) {
	incoming, _ := metadata.FromIncomingContext(ctx)
	received := map[string]string{}
	for key, values := range incoming {
		if strings.HasPrefix(key, "x-") {
			received[key] = strings.Join(values, ",")
		}
	}
	if value, ok := received["x-echo"]; ok {
		if err := grpc.SetHeader(ctx, metadata.Pairs("x-initial", value)); err != nil {
			return nil, err
		}
		if err := grpc.SetTrailer(ctx, metadata.Pairs("x-trailing", value)); err != nil {
			return nil, err
		}
	}
	return &echo.MetadataReply{Received: received}, nil
}

func (s *Server) Print(_ context.Context, request *echo.PrintRequest) (*echo.Payload, error) {
	stdout, stderr := io.Writer(os.Stdout), io.Writer(os.Stderr)
	if request.RawFd {
		stdout, stderr = rawFD(syscall.Stdout), rawFD(syscall.Stderr)
	}
	for range max(request.Repeat, 1) {
		if _, err := stdout.Write(request.Stdout); err != nil {
			return nil, err
		}
		if _, err := stderr.Write(request.Stderr); err != nil {
			return nil, err
		}
	}
	return &echo.Payload{}, nil
}

// rawFD writes to a file descriptor past everything that Go puts around it.
type rawFD int

func (fd rawFD) Write(data []byte) (int, error) {
	written := 0
	for written < len(data) {
		n, err := syscall.Write(int(fd), data[written:])
		if errors.Is(err, syscall.EINTR) || errors.Is(err, syscall.EAGAIN) {
			continue
		}
		if err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

func (s *Server) Log(_ context.Context, request *echo.LogRequest) (*echo.Payload, error) {
	level := hclog.LevelFromString(request.Level)
	if level == hclog.NoLevel {
		return nil, status.Errorf(codes.InvalidArgument, "unknown level %q", request.Level)
	}
	logger := s.logger
	if request.Module != "" {
		logger = logger.Named(request.Module)
	}
	logger.Log(level, request.Message, sortedPairs(request.Pairs)...)
	return &echo.Payload{}, nil
}

func sortedPairs(pairs map[string]string) []any {
	keys := make([]string, 0, len(pairs))
	for key := range pairs {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	var flat []any
	for _, key := range keys {
		flat = append(flat, key, pairs[key])
	}
	return flat
}

func (s *Server) Crash(_ context.Context, request *echo.CrashRequest) (*echo.Payload, error) {
	switch request.Kind {
	case echo.CrashRequest_EXIT:
		os.Exit(int(request.Status))
	case echo.CrashRequest_PANIC:
		panic("crash requested")
	case echo.CrashRequest_SIGKILL:
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return nil, err
		}
		// The signal may take effect after the system call returns.
		select {}
	}
	return nil, status.Errorf(codes.InvalidArgument, "unknown kind %d", request.Kind)
}

func (s *Server) Env(_ context.Context, request *echo.EnvRequest) (*echo.EnvReply, error) {
	values := map[string]string{}
	for _, name := range request.Names {
		if value, ok := os.LookupEnv(name); ok {
			values[name] = value
		}
	}
	return &echo.EnvReply{Values: values}, nil
}
