// Command vault-plugin-legacy is a secrets plugin as older ones are: it knows application
// protocol versions 3 and 4 alone, and serves one mount. What it does is the SDK's mock.
package main

import (
	"github.com/hashicorp/go-plugin"
	backend "github.com/hashicorp/vault/sdk/plugin"
	"github.com/hashicorp/vault/sdk/plugin/mock"
)

func main() {
	set := plugin.PluginSet{"backend": &backend.GRPCBackendPlugin{Factory: mock.Factory}}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  backend.HandshakeConfig,
		VersionedPlugins: map[int]plugin.PluginSet{3: set, 4: set},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
}
