package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"goplugin_py/go-fixtures/echo"
)

const (
	pluginName     = "echo"
	cookieKey      = "ECHO_PLUGIN"
	defaultCookie  = "5f0c1a5e"
	defaultVersion = 1
)

// options is the command line.
type options struct {
	mtls, mux, skipHostEnv, runner bool
	allow                          []plugin.Protocol
	versions                       []int
	cookieValue                    string
	minPort, maxPort               uint
	env, scenarios, command        []string
	reattach                       *plugin.ReattachConfig
	secure                         *plugin.SecureConfig
	socketGroup, tempDir           string
	logFile, stderrFile            string
	startTimeout, timeout          time.Duration
	tls                            *tls.Config
}

func parseOptions(arguments []string) (*options, error) {
	o := &options{allow: []plugin.Protocol{plugin.ProtocolGRPC}}
	flags := flag.NewFlagSet("echo-host", flag.ContinueOnError)
	flags.BoolVar(&o.mtls, "mtls", false, "set AutoMTLS")
	flags.Func("tls-ca", "TLSConfig that trusts this PEM file for localhost", o.setTLS)
	flags.BoolVar(&o.mux, "mux", false, "set GRPCBrokerMultiplex")
	flags.BoolVar(&o.skipHostEnv, "skip-host-env", false, "set SkipHostEnv")
	flags.BoolVar(&o.runner, "runner", false, "start the plugin with a RunnerFunc")
	flags.Func("allow", "AllowedProtocols: grpc (default), netrpc or both", o.setAllow)
	flags.Func("versions", "comma-separated keys of VersionedPlugins; default Plugins at 1", o.setVersions)
	flags.StringVar(&o.cookieValue, "cookie-value", defaultCookie, "MagicCookieValue")
	flags.UintVar(&o.minPort, "min-port", 0, "MinPort")
	flags.UintVar(&o.maxPort, "max-port", 0, "MaxPort")
	flags.Func("env", "K=V for Cmd.Env; may be repeated", o.addEnv)
	flags.Func("checksum", "SecureConfig with this SHA-256, in hex", o.setChecksum)
	flags.StringVar(&o.socketGroup, "socket-group", "", "UnixSocketConfig.Group")
	flags.StringVar(&o.tempDir, "tempdir", "", "UnixSocketConfig.TempDir; needs -runner to matter")
	flags.Func("reattach", "Reattach, as JSON like one provider's in TF_REATTACH_PROVIDERS; no command then", o.setReattach)
	flags.StringVar(&o.logFile, "log-file", "", "write the host's JSON log here instead of stderr")
	flags.StringVar(&o.stderrFile, "stderr-file", "", "write ClientConfig.Stderr here")
	flags.DurationVar(&o.startTimeout, "start-timeout", 0, "StartTimeout; default go-plugin's")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "the limit of each scenario")
	flags.Func("scenario", "comma-separated: "+strings.Join(scenarioNames(), " "), o.addScenarios)
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	o.command = flags.Args()
	if (len(o.command) == 0) == (o.reattach == nil) {
		return nil, errors.New("want either a plugin command or -reattach")
	}
	return o, nil
}

func (o *options) setAllow(value string) error {
	switch value {
	case "grpc":
		o.allow = []plugin.Protocol{plugin.ProtocolGRPC}
	case "netrpc":
		o.allow = []plugin.Protocol{plugin.ProtocolNetRPC}
	case "both":
		o.allow = []plugin.Protocol{plugin.ProtocolNetRPC, plugin.ProtocolGRPC}
	default:
		return errors.New("want grpc, netrpc or both")
	}
	return nil
}

func (o *options) setVersions(value string) error {
	for _, item := range strings.Split(value, ",") {
		version, err := strconv.Atoi(item)
		if err != nil {
			return err
		}
		o.versions = append(o.versions, version)
	}
	return nil
}

func (o *options) setTLS(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	o.tls = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	if !o.tls.RootCAs.AppendCertsFromPEM(data) {
		return errors.New("no certificate in it")
	}
	return nil
}

func (o *options) setChecksum(value string) error {
	checksum, err := hex.DecodeString(value)
	o.secure = &plugin.SecureConfig{Checksum: checksum, Hash: sha256.New()}
	return err
}

func (o *options) addEnv(value string) error {
	if !strings.Contains(value, "=") {
		return errors.New("want K=V")
	}
	o.env = append(o.env, value)
	return nil
}

func (o *options) addScenarios(value string) error {
	for _, name := range strings.Split(value, ",") {
		if _, ok := scenarios[name]; !ok {
			return fmt.Errorf("no scenario %q", name)
		}
		o.scenarios = append(o.scenarios, name)
	}
	return nil
}

func scenarioNames() []string {
	return slices.Sorted(maps.Keys(scenarios))
}

// clientConfig is what the options make of plugin.ClientConfig.
func clientConfig(o *options, heard *heard) (*plugin.ClientConfig, error) {
	config := &plugin.ClientConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			MagicCookieKey:   cookieKey,
			MagicCookieValue: o.cookieValue,
		},
		AllowedProtocols: o.allow,
		AutoMTLS:         o.mtls,
		TLSConfig:        o.tls,
		SecureConfig:     o.secure,
		MinPort:          o.minPort,
		MaxPort:          o.maxPort,
		StartTimeout:     o.startTimeout,
		SyncStdout:       heard.stdout,
		SyncStderr:       heard.stderr,
		Stderr:           heard.rawStderr,
		Logger: hclog.New(&hclog.LoggerOptions{
			Name:       "echo-host",
			Level:      hclog.Trace,
			Output:     heard.log,
			JSONFormat: true,
		}),
	}
	setPlugins(config, o.versions)
	setCommand(config, o)
	return config, setFeatures(config, o)
}

func setPlugins(config *plugin.ClientConfig, versions []int) {
	set := plugin.PluginSet{pluginName: &echoPlugin{}}
	if versions == nil {
		config.ProtocolVersion = defaultVersion
		config.Plugins = set
		return
	}
	config.VersionedPlugins = map[int]plugin.PluginSet{}
	for _, version := range versions {
		config.VersionedPlugins[version] = set
	}
}

func setCommand(config *plugin.ClientConfig, o *options) {
	if o.reattach != nil {
		config.Reattach = o.reattach
		return
	}
	if !o.runner {
		config.Cmd = exec.Command(o.command[0], o.command[1:]...)
		config.Cmd.Env = o.env
	}
}

// echoPlugin is the host's half of the plugin.
type echoPlugin struct {
	plugin.NetRPCUnsupportedPlugin
}

func (*echoPlugin) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("echo-host serves no plugin")
}

func (*echoPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return echo.NewEchoClient(conn), nil
}
