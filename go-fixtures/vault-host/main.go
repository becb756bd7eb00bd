// Command vault-host does to a plugin what Vault does, with Vault's SDK.
//
//	vault-host [-metadata] [-single] [-log FILE] command [argument...]
//
// It takes one JSON object per line from stdin (see command) and answers each with one on
// stdout. At the end of its stdin it kills the plugin.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"
)

// command is one line of input: what to do, and the rest as that needs it.
type command struct {
	Do         string         `json:"do"`
	Name       string         `json:"name"` // of a mount or of a database
	Config     map[string]any `json:"config"`
	Operation  string         `json:"operation"`
	Path       string         `json:"path"`
	Data       map[string]any `json:"data"`
	Key        string         `json:"key"`
	Value      string         `json:"value"`
	Username   string         `json:"username"`
	Password   string         `json:"password"`
	Statements []string       `json:"statements"`
}

// answer is one line of output; `error` is in it if the command failed.
type answer map[string]any

type host struct {
	catalog   *catalog
	mounts    map[string]*mount
	databases map[string]*database
}

var errUnknown = errors.New("no such command")

func main() {
	metadata := flag.Bool("metadata", false, "metadata mode, with versions 3 and 4")
	single := flag.Bool("single", false, "offer databases version 5 alone")
	log := flag.String("log", "", "the file for the log, the plugin's included")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	catalog, err := newCatalog(flag.Args(), *metadata, *single)
	if err == nil {
		err = catalog.logTo(*log)
	}
	if err == nil {
		err = serve(catalog, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (c *catalog) logTo(path string) error {
	c.logger = hclog.NewNullLogger()
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	c.logger = hclog.New(&hclog.LoggerOptions{Output: file, Level: hclog.Debug})
	return nil
}

func serve(catalog *catalog, input io.Reader, output io.Writer) error {
	host := host{catalog, map[string]*mount{}, map[string]*database{}}
	defer catalog.close()
	lines := json.NewDecoder(input)
	answers := json.NewEncoder(output)
	for {
		var next command
		if err := lines.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := answers.Encode(host.answer(next)); err != nil {
			return err
		}
	}
}

func (h *host) answer(next command) answer {
	ctx := context.Background()
	for _, do := range []func(context.Context, command) (answer, error){
		h.doToMount, h.doToStorage, h.doToDatabase,
	} {
		found, err := do(ctx, next)
		if errors.Is(err, errUnknown) {
			continue
		}
		if found == nil {
			found = answer{}
		}
		if err != nil {
			found["error"] = err.Error()
		}
		return found
	}
	return answer{"error": errUnknown.Error() + ": " + next.Do}
}
