// Command judge decides as go-plugin 1.8.0, go-hclog 1.6.3 and yamux 0.1.2 do.
//
// Each line of stdin is a case, and each line of stdout the verdict on it, in order:
//
//	{"kind": "handshake", "case": {...}}
//
// Bytes are in base64. Nothing here decides by itself: what is exercised is told at
// each kind's function. Some cases end a Go host; then this process ends without a
// verdict, and whoever asks starts another for the rest.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// patience bounds every wait for what is certain to come.
const patience = 20 * time.Second

var kinds = map[string]func(json.RawMessage) (any, error){
	"handshake":   decoded(judgeHandshake),
	"stderr":      decoded(judgeStderr),
	"environment": decoded(judgeEnvironment),
	"offer":       decoded(judgeOffer),
	"knock":       decoded(judgeKnock),
	"answer":      decoded(judgeAnswer),
	"frames":      decoded(judgeFrames),
	"reattach":    decoded(judgeReattach),
}

// decoded lets a function take its case as it is declared.
func decoded[C, V any](judge func(C) (V, error)) func(json.RawMessage) (any, error) {
	return func(data json.RawMessage) (any, error) {
		var one C
		if err := json.Unmarshal(data, &one); err != nil {
			return nil, err
		}
		return judge(one)
	}
}

func main() {
	if versions := os.Getenv(ownVersions); versions != "" {
		servePlugin(versions)
		return
	}
	// No host name is known but localhost, and none is asked for on the network.
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no network")
		},
	}
	if err := judgeAll(); err != nil {
		fmt.Fprintln(os.Stderr, "judge:", err)
		os.Exit(1)
	}
}

func judgeAll() error {
	verdicts := json.NewEncoder(os.Stdout)
	requests := json.NewDecoder(bufio.NewReader(os.Stdin))
	for requests.More() {
		var request struct {
			Kind string
			Case json.RawMessage
		}
		if err := requests.Decode(&request); err != nil {
			return err
		}
		judge, ok := kinds[request.Kind]
		if !ok {
			return fmt.Errorf("no such kind: %s", request.Kind)
		}
		verdict, err := judge(request.Case)
		if err != nil {
			return fmt.Errorf("%s: %w", request.Kind, err)
		}
		if err := verdicts.Encode(verdict); err != nil {
			return err
		}
	}
	return nil
}
