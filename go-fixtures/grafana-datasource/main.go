// Command grafana-datasource is a data source on Grafana's plugin SDK that answers
// with numbers it counts itself.
//
// As every plugin of the SDK it serves one go-plugin name for each gRPC service, and
// knows the SDK's standalone mode (-standalone).
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
)

const pluginID = "goplugin-counter-datasource"

func main() {
	if err := datasource.Manage(pluginID, newSource, datasource.ManageOpts{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// source is one configured data source; the SDK makes one for each that calls come for.
type source struct {
	Step int64 `json:"step"`
}

func newSource(_ context.Context, settings backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	counting := &source{}
	if err := json.Unmarshal(settings.JSONData, counting); err != nil {
		return nil, fmt.Errorf("the settings are no JSON: %w", err)
	}
	backend.Logger.Info("configured", "name", settings.Name, "step", counting.Step)
	return counting, nil
}

// CheckHealth implements backend.CheckHealthHandler.
func (s *source) CheckHealth(_ context.Context, request *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	if s.Step == 0 {
		return &backend.CheckHealthResult{
			Status: backend.HealthStatusError, Message: "a step of 0 counts nothing",
		}, nil
	}
	details, err := json.Marshal(map[string]any{
		"step": s.Step, "name": request.PluginContext.DataSourceInstanceSettings.Name,
	})
	return &backend.CheckHealthResult{
		Status: backend.HealthStatusOk, Message: "counting", JSONDetails: details,
	}, err
}
