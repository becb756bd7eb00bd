package main

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/plugin"
)

var systemView = logical.StaticSystemView{
	DefaultLeaseTTLVal: time.Hour,
	MaxLeaseTTLVal:     2 * time.Hour,
	VersionString:      "1.21.0",
	ClusterUUID:        "a-cluster",
	PluginEnvironment:  &logical.PluginEnvironment{VaultVersion: "1.21.0"},
	PasswordPolicies: map[string]logical.PasswordGenerator{
		"digits": func() (string, error) { return "8264", nil },
	},
}

// mount is a secrets plugin at a path, with storage of its own.
type mount struct {
	logical.Backend
	storage *storage
	lease   *logical.Secret // of the last answer that had one
}

func (h *host) doToMount(ctx context.Context, next command) (answer, error) {
	if next.Do == "mount" {
		return h.mount(ctx, next)
	}
	mounted, known := h.mounts[next.Name]
	if !known {
		return nil, errUnknown
	}
	switch next.Do {
	case "initialize":
		request := &logical.InitializationRequest{Storage: mounted.storage}
		return nil, mounted.Initialize(ctx, request)
	case "request":
		return mounted.request(ctx, next)
	case "exists":
		found, exists, err := mounted.HandleExistenceCheck(ctx, mounted.read(next))
		return answer{"found": found, "exists": exists}, err
	case "invalidate":
		mounted.InvalidateKey(ctx, next.Key)
		return nil, nil
	case "unmount":
		mounted.Cleanup(ctx)
		delete(h.mounts, next.Name)
		return answer{"pids": h.catalog.pids()}, nil
	}
	return nil, errUnknown
}

func (h *host) mount(ctx context.Context, next command) (answer, error) {
	mounted := &mount{storage: newStorage()}
	options := map[string]string{}
	for name, value := range next.Config {
		options[name] = fmt.Sprint(value)
	}
	config := &logical.BackendConfig{
		StorageView: mounted.storage,
		System:      h.catalog.StaticSystemView,
		Logger:      h.catalog.logger,
		BackendUUID: "uuid-of-" + next.Name,
		Config:      options,
	}
	var err error
	if mounted.Backend, err = h.backend(ctx, config); err != nil {
		return nil, err
	}
	if err := mounted.Setup(ctx, config); err != nil {
		mounted.Cleanup(ctx)
		return nil, err
	}
	h.mounts[next.Name] = mounted
	return answer{
		"pids":    h.catalog.pids(),
		"type":    mounted.Type().String(),
		"special": mounted.SpecialPaths(),
		"version": mounted.Backend.(logical.PluginVersioner).PluginVersion().Version,
	}, nil
}

func (h *host) backend(ctx context.Context, config *logical.BackendConfig) (logical.Backend, error) {
	if h.catalog.metadata {
		return plugin.NewBackend(ctx, "plugin", consts.PluginTypeSecrets, h.catalog, config, true)
	}
	return plugin.NewBackendV5(ctx, "plugin", consts.PluginTypeSecrets, "", h.catalog, config)
}

func (m *mount) read(next command) *logical.Request {
	return &logical.Request{
		Operation: logical.Operation(next.Operation),
		Path:      next.Path,
		Data:      next.Data,
		Storage:   m.storage,
		Secret:    m.lease,
	}
}

// request returns what Vault would tell the user, and keeps the lease for `renew` and
// `revoke`.
func (m *mount) request(ctx context.Context, next command) (answer, error) {
	response, err := m.HandleRequest(ctx, m.read(next))
	if response == nil {
		return nil, err
	}
	said := answer{"data": response.Data, "warnings": response.Warnings}
	if response.Secret != nil {
		m.lease = response.Secret
		said["seconds"] = response.Secret.TTL.Seconds()
		said["renewable"] = response.Secret.Renewable
	}
	return said, err
}
