package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// query is what the host's queries say.
type query struct {
	Count int64  `json:"count"`
	Fail  string `json:"fail"`
}

// QueryData implements backend.QueryDataHandler: each query has an answer of its own.
func (s *source) QueryData(_ context.Context, request *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	response := backend.NewQueryDataResponse()
	for _, one := range request.Queries {
		wanted, err := parse(one)
		if err != nil {
			response.Responses[one.RefID] = backend.ErrDataResponse(backend.StatusBadRequest, err.Error())
			continue
		}
		response.Responses[one.RefID] = backend.DataResponse{
			Frames: data.Frames{s.frame(0, wanted.Count)},
		}
	}
	return response, nil
}

// QueryChunkedData implements backend.QueryChunkedDataHandler: a chunk for each number.
func (s *source) QueryChunkedData(ctx context.Context, request *backend.QueryChunkedDataRequest, writer backend.ChunkedDataWriter) error {
	for _, one := range request.Queries {
		wanted, err := parse(one)
		if err != nil {
			return writer.WriteError(ctx, one.RefID, backend.StatusBadRequest, err)
		}
		for number := range wanted.Count {
			if err := writer.WriteFrame(ctx, one.RefID, "numbers", s.frame(number, number+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func parse(one backend.DataQuery) (query, error) {
	var wanted query
	if err := json.Unmarshal(one.JSON, &wanted); err != nil {
		return wanted, fmt.Errorf("the query is no JSON: %w", err)
	}
	if wanted.Fail != "" {
		return wanted, errors.New(wanted.Fail)
	}
	return wanted, nil
}

// frame holds the numbers with the places from first up to end.
func (s *source) frame(first, end int64) *data.Frame {
	numbers := make([]int64, 0, end-first)
	for number := first; number < end; number++ {
		numbers = append(numbers, number*s.Step)
	}
	return data.NewFrame("numbers", data.NewField("number", nil, numbers))
}
