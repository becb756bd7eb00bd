package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-secure-stdlib/base62"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/helper/pluginutil"
	"github.com/hashicorp/vault/sdk/logical"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// catalog knows one plugin, and starts it as Vault's catalog does: one process for all
// instances of a plugin that is multiplexed. The SDK asks it for all else, too.
type catalog struct {
	logical.StaticSystemView
	logger   hclog.Logger
	runner   pluginutil.PluginRunner
	metadata bool
	single   bool

	lock    sync.Mutex
	shared  *process
	started []*process
}

// process is a plugin that runs, and how many instances use it.
type process struct {
	*plugin.Client
	rpc         *plugin.GRPCClient
	multiplexed bool
	instances   int
}

func newCatalog(command []string, metadata, single bool) (*catalog, error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	return &catalog{
		StaticSystemView: systemView,
		runner: pluginutil.PluginRunner{
			Name: "plugin", Command: path, Args: command[1:], Sha256: sum[:],
		},
		metadata: metadata,
		single:   single,
	}, nil
}

func (c *catalog) LookupPlugin(ctx context.Context, name string, kind consts.PluginType) (*pluginutil.PluginRunner, error) {
	return c.LookupPluginVersion(ctx, name, kind, "")
}

func (c *catalog) LookupPluginVersion(context.Context, string, consts.PluginType, string) (*pluginutil.PluginRunner, error) {
	runner := c.runner
	return &runner, nil
}

func (c *catalog) DownloadExtractVerifyPlugin(context.Context, *pluginutil.PluginRunner) error {
	return errors.New("nothing is downloaded here")
}

// NewPluginClient returns a client of one more instance.
func (c *catalog) NewPluginClient(ctx context.Context, config pluginutil.PluginClientConfig) (pluginutil.PluginClient, error) {
	id, err := base62.Random(10)
	if err != nil {
		return nil, err
	}
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.shared == nil || c.shared.Exited() {
		started, err := c.start(ctx, config)
		if err != nil {
			return nil, err
		}
		if !started.multiplexed {
			return started.instance(c, id), nil
		}
		c.shared = started
	}
	return c.shared.instance(c, id), nil
}

func (c *catalog) start(ctx context.Context, config pluginutil.PluginClientConfig) (*process, error) {
	client, err := c.runner.RunConfig(ctx,
		pluginutil.Runner(c),
		pluginutil.PluginSets(config.PluginSets),
		pluginutil.HandshakeConfig(config.HandshakeConfig),
		pluginutil.Logger(config.Logger),
		pluginutil.MetadataMode(config.IsMetadataMode),
		pluginutil.AutoMTLS(config.AutoMTLS),
	)
	if err != nil {
		return nil, err
	}
	protocol, err := client.Client()
	if err != nil {
		client.Kill()
		return nil, err
	}
	rpc := protocol.(*plugin.GRPCClient)
	multiplexed, err := pluginutil.MultiplexingSupported(ctx, rpc.Conn, config.Name)
	if err != nil {
		client.Kill()
		return nil, err
	}
	started := &process{Client: client, rpc: rpc, multiplexed: multiplexed}
	c.started = append(c.started, started)
	return started, nil
}

// pids returns the ids of all processes that run.
func (c *catalog) pids() []int {
	var found []int
	for _, process := range c.started {
		if !process.Exited() {
			found = append(found, process.ReattachConfig().Pid)
		}
	}
	return found
}

func (c *catalog) close() {
	for _, process := range c.started {
		process.Kill()
	}
}

func (p *process) instance(catalog *catalog, id string) *instance {
	p.instances++
	return &instance{p.rpc, p, catalog, id}
}

// instance is what the SDK's clients use in place of the connection.
type instance struct {
	plugin.ClientProtocol
	process *process
	catalog *catalog
	id      string
}

func (i *instance) Conn() grpc.ClientConnInterface {
	return &named{i.process.rpc.Conn, i.id}
}

func (i *instance) Reload() error {
	return errors.New("nothing is reloaded here")
}

// Close kills the process after its last instance.
func (i *instance) Close() error {
	i.catalog.lock.Lock()
	defer i.catalog.lock.Unlock()
	i.process.instances--
	if i.process.instances == 0 {
		i.process.Kill()
	}
	return nil
}

// named sends the instance's id with each call.
type named struct {
	grpc.ClientConnInterface
	id string
}

func (n *named) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	ctx = metadata.AppendToOutgoingContext(ctx, pluginutil.MultiplexingCtxKey, n.id)
	return n.ClientConnInterface.Invoke(ctx, method, args, reply, opts...)
}
