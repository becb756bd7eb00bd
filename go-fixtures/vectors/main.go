// Command vectors records how go-plugin and go-hclog behave, as JSON files for the tests
// of other implementations. tests/vectors/README.md describes the files.
//
// It starts itself in two more roles: as a host that handles one case (because some
// cases kill the host), and as the plugin of that host.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

const hostRole = "host-case"

func main() {
	if script := os.Getenv(stubScriptVariable); script != "" {
		exitOn(runStub(script))
		return
	}
	if len(os.Args) == 3 && os.Args[1] == hostRole {
		exitOn(serveHostCase(os.Args[2]))
		return
	}
	pluginPath := flag.String("plugin", "", "the built echo-plugin")
	out := flag.String("out", "", "the directory to write to")
	flag.Parse()
	exitOn(record(*pluginPath, *out))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "vectors:", err)
		os.Exit(1)
	}
}

func record(pluginPath, out string) error {
	for _, file := range []struct {
		name   string
		record func(pluginPath string) (any, error)
	}{
		{"certificates.json", recordCertificates},
		{"handshake_accept.json", recordHandshakes},
		{"handshake_emit.json", recordLines},
		{"hclog_in.json", recordStderr},
		{"hclog_out.json", recordHclog},
		{"plugin_versions.json", recordVersions},
	} {
		content, err := file.record(pluginPath)
		if err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
		if err := write(filepath.Join(out, file.name), content); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, content any) error {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(content); err != nil {
		return err
	}
	return os.WriteFile(path, buffer.Bytes(), 0o644)
}

// each applies f to all cases, several at a time, for most of them wait.
func each[C, R any](cases []C, f func(C) (R, error)) ([]R, error) {
	results, errs := make([]R, len(cases)), make([]error, len(cases))
	slots := make(chan struct{}, 2*runtime.NumCPU())
	var wg sync.WaitGroup
	for i, one := range cases {
		wg.Add(1)
		slots <- struct{}{}
		go func() {
			defer wg.Done()
			results[i], errs[i] = f(one)
			<-slots
		}()
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("case %d: %w", i, err)
		}
	}
	return results, nil
}
