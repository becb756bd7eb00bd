package main

import (
	"encoding/json"
	"fmt"
	"net"
)

type reattachCase struct {
	Text []byte `json:"text"`
}

type reattachVerdict struct {
	Error string `json:"error"`
	// As in TF_REATTACH_PROVIDERS, whose values Terraform decodes into this.
	Protocol        string `json:"protocol"`
	ProtocolVersion int    `json:"protocol_version"`
	Pid             int    `json:"pid"`
	Test            bool   `json:"test"`
	Network         string `json:"network"`
	Address         string `json:"address"`
}

// judgeReattach lets encoding/json read one provider's value, and package net its
// address, as Terraform does before it fills a plugin.ReattachConfig.
func judgeReattach(one reattachCase) (reattachVerdict, error) {
	var read struct {
		Protocol        string
		ProtocolVersion int
		Addr            struct{ Network, String string }
		Pid             int
		Test            bool
	}
	if err := json.Unmarshal(one.Text, &read); err != nil {
		return reattachVerdict{Error: err.Error()}, nil
	}
	var address net.Addr
	var err error
	switch read.Addr.Network {
	case "unix":
		address, err = net.ResolveUnixAddr("unix", read.Addr.String)
	case "tcp":
		address, err = net.ResolveTCPAddr("tcp", read.Addr.String)
	default:
		err = fmt.Errorf("unknown address type %q", read.Addr.Network)
	}
	if err != nil {
		return reattachVerdict{Error: err.Error()}, nil
	}
	return reattachVerdict{
		Protocol: read.Protocol, ProtocolVersion: read.ProtocolVersion, Pid: read.Pid,
		Test: read.Test, Network: address.Network(), Address: address.String(),
	}, nil
}
