package main

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"strconv"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

const crashStatus = 3

// CallResource implements backend.CallResourceHandler. An answer may come in parts.
func (s *source) CallResource(_ context.Context, request *backend.CallResourceRequest, sender backend.CallResourceResponseSender) error {
	switch request.Path {
	case "echo":
		return sender.Send(&backend.CallResourceResponse{
			Status:  http.StatusOK,
			Headers: map[string][]string{"X-Method": {request.Method}},
			Body:    request.Body,
		})
	case "parts":
		return parts(request.URL, sender)
	case "crash":
		os.Exit(crashStatus)
	}
	return sender.Send(&backend.CallResourceResponse{
		Status: http.StatusNotFound, Body: []byte("no resource " + request.Path),
	})
}

// parts sends as many parts, of as many bytes, as the URL says.
func parts(address string, sender backend.CallResourceResponseSender) error {
	parsed, err := url.Parse(address)
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(parsed.Query().Get("count"))
	if err != nil {
		return err
	}
	size, err := strconv.Atoi(parsed.Query().Get("size"))
	if err != nil {
		return err
	}
	for number := range count {
		part := &backend.CallResourceResponse{Body: bytes.Repeat([]byte{byte('a' + number%26)}, size)}
		if number == 0 { // only the first has a status
			part.Status = http.StatusOK
		}
		if err := sender.Send(part); err != nil {
			return err
		}
	}
	return nil
}
