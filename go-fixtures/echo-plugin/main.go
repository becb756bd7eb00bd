// Command echo-plugin serves the Echo service with plugin.Serve.
//
// ECHO_VERSIONS, a comma-separated list, replaces protocol version 1 by these
// versions, all with the same plugin. ECHO_TLS, the path of a PEM file with a
// certificate and its key, makes it serve with a TLSProvider of its own.
package main

import (
	"crypto/tls"
	"fmt"
	"os"

	"github.com/hashicorp/go-plugin"

	"goplugin_py/go-fixtures/echo-plugin/internal/service"
)

func main() {
	config := &plugin.ServeConfig{
		HandshakeConfig: service.Handshake,
		GRPCServer:      service.NewGRPCServer,
		Logger:          service.NewLogger(),
	}
	set := plugin.PluginSet{service.PluginName: service.NewPlugin(config.Logger)}

	if path := os.Getenv("ECHO_TLS"); path != "" {
		config.TLSProvider = func() (*tls.Config, error) {
			certificate, err := tls.LoadX509KeyPair(path, path)
			return &tls.Config{Certificates: []tls.Certificate{certificate}}, err
		}
	}
	if list := os.Getenv("ECHO_VERSIONS"); list != "" {
		versions, err := service.ParseVersions(list)
		if err != nil {
			fmt.Fprintln(os.Stderr, "ECHO_VERSIONS:", err)
			os.Exit(2)
		}
		config.VersionedPlugins = map[int]plugin.PluginSet{}
		for _, version := range versions {
			config.VersionedPlugins[version] = set
		}
	} else {
		config.Plugins = set
	}
	plugin.Serve(config)
}
