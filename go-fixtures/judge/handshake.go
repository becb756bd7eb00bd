package main

import (
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

type handshakeCase struct {
	Host   hostOptions `json:"host"`
	Stdout []byte      `json:"stdout"`
}

// handshakeVerdict has an error, or else what the host understood.
type handshakeVerdict struct {
	Error   string `json:"error"`
	Dies    string `json:"dies"`
	Version int    `json:"version"`
	Network string `json:"network"`
	Address []byte `json:"address"`
	Trusts  bool   `json:"trusts"`
}

// judgeHandshake shows all that a plugin prints on stdout to plugin.Client.Start.
func judgeHandshake(one handshakeCase) (verdict handshakeVerdict, _ error) {
	plugin_ := newStub(string(one.Stdout), "")
	defer plugin_.end()
	config := newHost(one.Host, plugin_, hclog.NewNullLogger(), &taker{})
	defer func() {
		// It comes out of Start, on this goroutine: the host would end of it.
		if reason := recover(); reason != nil {
			verdict = handshakeVerdict{Dies: fmt.Sprint(reason)}
		}
	}()
	client := plugin.NewClient(config)
	address, err := client.Start()
	if err != nil {
		return handshakeVerdict{Error: err.Error()}, nil
	}
	return handshakeVerdict{
		Version: client.NegotiatedVersion(),
		Network: address.Network(),
		Address: []byte(address.String()),
		Trusts:  config.TLSConfig != nil && config.TLSConfig.RootCAs != nil,
	}, nil
}
