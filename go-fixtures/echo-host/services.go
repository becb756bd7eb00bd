package main

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
)

func ping(_ context.Context, s *session) (detail, error) {
	return nil, s.rpc.Ping()
}

func healthChecks(ctx context.Context, s *session) (detail, error) {
	client := healthpb.NewHealthClient(s.conn)
	seen := detail{}
	for _, service := range []string{"plugin", ""} {
		reply, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			return seen, fmt.Errorf("service %q: %w", service, err)
		}
		seen[service] = reply.Status.String()
		if reply.Status != healthpb.HealthCheckResponse_SERVING {
			return seen, differ(fmt.Sprintf("service %q", service), reply.Status, "SERVING")
		}
	}
	const unknown = "no.such.Service"
	_, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: unknown})
	seen[unknown] = fmt.Sprint(err)
	if status.Code(err) != codes.NotFound {
		return seen, differ(unknown, err, codes.NotFound)
	}
	return seen, nil
}

// mustList is what every plugin with Echo serves.
var mustList = []string{
	"echo.Echo", "grpc.health.v1.Health",
	"plugin.GRPCBroker", "plugin.GRPCController", "plugin.GRPCStdio",
}

// reflectBoth lists services and looks Echo up by both versions of the protocol.
func reflectBoth(ctx context.Context, s *session) (detail, error) {
	seen := detail{}
	for _, version := range []string{"v1", "v1alpha"} {
		names, files, err := listed(ctx, s.conn, version)
		if err != nil {
			return seen, fmt.Errorf("%s: %w", version, err)
		}
		seen[version] = detail{"services": names, "echo_files": files}
		for _, name := range mustList {
			if !slices.Contains(names, name) {
				return seen, fmt.Errorf("%s: %s is not listed", version, name)
			}
		}
		if files == 0 {
			return seen, fmt.Errorf("%s: no descriptor of echo.Echo", version)
		}
	}
	return seen, nil
}

// listed returns the names of all services and how many files describe Echo. The two
// versions have the same messages; v1's are not in older versions of grpc-go.
func listed(ctx context.Context, conn *grpc.ClientConn, version string) ([]string, int, error) {
	method := "/grpc.reflection." + version + ".ServerReflection/ServerReflectionInfo"
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return nil, 0, err
	}
	all, err := ask(stream, &reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_ListServices{ListServices: "*"},
	})
	if err != nil {
		return nil, 0, err
	}
	var names []string
	for _, service := range all.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	slices.Sort(names)
	file, err := ask(stream, &reflection.ServerReflectionRequest{
		MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{
			FileContainingSymbol: "echo.Echo",
		},
	})
	if err != nil {
		return nil, 0, err
	}
	return names, len(file.GetFileDescriptorResponse().GetFileDescriptorProto()), nil
}

func ask(stream grpc.ClientStream, request *reflection.ServerReflectionRequest) (*reflection.ServerReflectionResponse, error) {
	if err := stream.SendMsg(request); err != nil {
		return nil, err
	}
	response := &reflection.ServerReflectionResponse{}
	return response, stream.RecvMsg(response)
}
