package main

import (
	"context"
	"io"
	"os/exec"
	"strconv"
)

// process is a runner.Runner like go-plugin's own for commands. Running through
// RunnerFunc is what makes go-plugin create a socket directory.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr io.ReadCloser
}

func newProcess(cmd *exec.Cmd) (*process, error) {
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	return &process{cmd, stdout, stderr}, nil
}

func (p *process) Start(context.Context) error { return p.cmd.Start() }

func (p *process) Wait(context.Context) error { return p.cmd.Wait() }

func (p *process) Kill(context.Context) error {
	if p.cmd.Process == nil {
		return nil
	}
	return p.cmd.Process.Kill()
}

func (p *process) Stdout() io.ReadCloser { return p.stdout }

func (p *process) Stderr() io.ReadCloser { return p.stderr }

func (p *process) Name() string { return p.cmd.Path }

func (p *process) ID() string {
	if p.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

func (p *process) Diagnose(context.Context) string { return "" }

func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
