package main

import (
	"fmt"
	"os/exec"
	"reflect"
	"slices"

	"github.com/hashicorp/go-plugin"
)

// setFeatures sets the fields of plugin.ClientConfig that older versions of go-plugin
// lack. It names them at run time, so that one source compiles with all versions.
func setFeatures(config *plugin.ClientConfig, o *options) error {
	wanted := map[string]func(reflect.Value){}
	if o.mux {
		wanted["GRPCBrokerMultiplex"] = func(field reflect.Value) { field.SetBool(true) }
	}
	if o.skipHostEnv {
		wanted["SkipHostEnv"] = func(field reflect.Value) { field.SetBool(true) }
	}
	if o.socketGroup != "" || o.tempDir != "" {
		wanted["UnixSocketConfig"] = o.setSockets
	}
	if o.runner {
		wanted["RunnerFunc"] = o.setRunner
	}
	for name, set := range wanted {
		field := reflect.ValueOf(config).Elem().FieldByName(name)
		if !field.IsValid() {
			return fmt.Errorf("this version of go-plugin has no %s", name)
		}
		set(field)
	}
	return nil
}

func (o *options) setSockets(field reflect.Value) {
	sockets := reflect.New(field.Type().Elem())
	sockets.Elem().FieldByName("Group").SetString(o.socketGroup)
	sockets.Elem().FieldByName("TempDir").SetString(o.tempDir)
	field.Set(sockets)
}

// setRunner sets a func(hclog.Logger, *exec.Cmd, string) (runner.Runner, error).
func (o *options) setRunner(field reflect.Value) {
	field.Set(reflect.MakeFunc(field.Type(), func(in []reflect.Value) []reflect.Value {
		process, err := o.newRunner(in[1].Interface().(*exec.Cmd))
		return []reflect.Value{reflect.ValueOf(process), reflect.ValueOf(&err).Elem()}
	}))
}

func (o *options) newRunner(spec *exec.Cmd) (*process, error) {
	cmd := exec.Command(o.command[0], o.command[1:]...)
	cmd.Env = append(slices.Clone(o.env), spec.Env...)
	cmd.Stdin = spec.Stdin
	return newProcess(cmd)
}
