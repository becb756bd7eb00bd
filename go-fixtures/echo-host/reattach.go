package main

import (
	"encoding/json"
	"fmt"
	"net"

	"github.com/hashicorp/go-plugin"
)

// setReattach reads what Terraform reads for each provider (its package
// internal/getproviders/reattach), for which go-plugin itself defines no form.
func (o *options) setReattach(value string) error {
	var raw struct {
		Protocol        string
		ProtocolVersion int
		Pid             int
		Test            bool
		Addr            struct{ Network, String string }
	}
	if err := json.Unmarshal([]byte(value), &raw); err != nil {
		return err
	}
	addr, err := resolve(raw.Addr.Network, raw.Addr.String)
	if err != nil {
		return err
	}
	o.reattach = &plugin.ReattachConfig{
		Protocol:        plugin.Protocol(raw.Protocol),
		ProtocolVersion: raw.ProtocolVersion,
		Pid:             raw.Pid,
		Test:            raw.Test,
		Addr:            addr,
	}
	return nil
}

func resolve(network, address string) (net.Addr, error) {
	switch network {
	case "unix":
		return net.ResolveUnixAddr(network, address)
	case "tcp":
		return net.ResolveTCPAddr(network, address)
	}
	return nil, fmt.Errorf("unknown network %q", network)
}
