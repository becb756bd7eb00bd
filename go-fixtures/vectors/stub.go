package main

import (
	"encoding/json"
	"os"
	"time"
)

const stubScriptVariable = "VECTORS_STUB_SCRIPT"

// stubLifetime bounds how long a stub outlives a host that does not kill it.
const stubLifetime = time.Minute

// stubScript is what the stub plugin does.
type stubScript struct {
	Stdout, Stderr []byte
	// Stay tells to keep stdout and stderr open until killed instead of exiting.
	Stay bool
}

func runStub(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var script stubScript
	if err := json.Unmarshal(data, &script); err != nil {
		return err
	}
	if _, err := os.Stdout.Write(script.Stdout); err != nil {
		return err
	}
	if _, err := os.Stderr.Write(script.Stderr); err != nil {
		return err
	}
	if script.Stay {
		time.Sleep(stubLifetime)
	}
	return nil
}
