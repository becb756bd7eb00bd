package main

import (
	"context"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

const (
	channel = "numbers"
	pace    = 10 * time.Millisecond
)

// The SDK collects what is in the default registry.
var (
	running = promauto.NewGauge(prometheus.GaugeOpts{
		Name: "counter_streams_running", Help: "Streams that a host reads.",
	})
	cancelled = promauto.NewCounter(prometheus.CounterOpts{
		Name: "counter_streams_cancelled_total", Help: "Streams that a host has ended.",
	})
)

// SubscribeStream implements backend.StreamHandler.
func (s *source) SubscribeStream(_ context.Context, request *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	if request.Path != channel {
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusNotFound}, nil
	}
	first, err := backend.NewInitialData([]byte(fmt.Sprintf(`{"step":%d}`, s.Step)))
	return &backend.SubscribeStreamResponse{
		Status: backend.SubscribeStreamStatusOK, InitialData: first,
	}, err
}

// RunStream implements backend.StreamHandler: it counts until the host has enough.
func (s *source) RunStream(ctx context.Context, _ *backend.RunStreamRequest, sender *backend.StreamSender) error {
	running.Inc()
	defer ended(ctx)
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for number := int64(0); ; number += s.Step {
		if err := sender.SendJSON([]byte(fmt.Sprintf(`{"number":%d}`, number))); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func ended(ctx context.Context) {
	running.Dec()
	if ctx.Err() != nil {
		cancelled.Inc()
	}
}

// PublishStream implements backend.StreamHandler: who may subscribe may not publish.
func (*source) PublishStream(context.Context, *backend.PublishStreamRequest) (*backend.PublishStreamResponse, error) {
	return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
}
