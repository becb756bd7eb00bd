// Command kv-host-mtls is go-plugin's example KV host with AutoMTLS, which the example
// itself does not use. It runs the shell command in KV_PLUGIN.
//
//	kv-host-mtls get KEY
//	kv-host-mtls put KEY VALUE
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/examples/grpc/shared"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Printf("error: %+v\n", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  shared.Handshake,
		Plugins:          shared.PluginMap,
		Cmd:              exec.Command("sh", "-c", os.Getenv("KV_PLUGIN")),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
	})
	defer client.Kill()

	protocol, err := client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(shared.PluginGRPC)
	if err != nil {
		return err
	}
	return execute(raw.(shared.KV), arguments)
}

func execute(kv shared.KV, arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "get":
		value, err := kv.Get(arguments[1])
		if err != nil {
			return err
		}
		fmt.Println(string(value))
		return nil
	case len(arguments) == 3 && arguments[0] == "put":
		return kv.Put(arguments[1], []byte(arguments[2]))
	}
	return errors.New("usage: kv-host-mtls get KEY | put KEY VALUE")
}
