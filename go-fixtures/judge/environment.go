package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-plugin"
)

const (
	cookieKey, cookieValue = "JUDGE_COOKIE", "a cookie"
	// ownVersions makes this program a plugin of these versions.
	ownVersions = "JUDGE_VERSIONS"
)

type environmentCase struct {
	Own string `json:"own"`
	// Environment holds the variables beside JUDGE_VERSIONS and TMPDIR.
	Environment map[string][]byte `json:"environment"`
}

type environmentVerdict struct {
	Line      []byte `json:"line"`
	Stderr    []byte `json:"stderr"`
	Directory string `json:"directory"` // TMPDIR, the working directory
	Speaks    string `json:"speaks"`
}

// servePlugin is plugin.Serve as any plugin calls it.
func servePlugin(versions string) {
	config := &plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: cookieKey, MagicCookieValue: cookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{},
		GRPCServer:       plugin.DefaultGRPCServer,
	}
	for _, text := range strings.Split(versions, ",") {
		version, err := strconv.Atoi(text)
		if err != nil {
			panic(err)
		}
		config.VersionedPlugins[version] = plugin.PluginSet{"none": &taker{}}
	}
	plugin.Serve(config)
}

// judgeEnvironment starts this program as a plugin, reads what it prints, and looks at
// what it speaks on its socket.
func judgeEnvironment(one environmentCase) (verdict environmentVerdict, err error) {
	verdict.Directory, err = os.MkdirTemp("", "judge")
	if err != nil {
		return verdict, err
	}
	defer func() { _ = os.RemoveAll(verdict.Directory) }()
	self, err := os.Executable()
	if err != nil {
		return verdict, err
	}
	var stderr strings.Builder
	cmd := exec.Command(self)
	cmd.Dir = verdict.Directory
	cmd.Env = []string{ownVersions + "=" + one.Own, "TMPDIR=" + verdict.Directory}
	for name, value := range one.Environment {
		cmd.Env = append(cmd.Env, name+"="+string(value))
	}
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return verdict, err
	}
	if err := cmd.Start(); err != nil {
		return verdict, err
	}
	limit := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	verdict.Line, err = bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		verdict.Speaks, err = languageOf(verdict.Directory, string(verdict.Line))
	} else if err == io.EOF {
		err = nil
	}
	_ = cmd.Process.Kill()
	var exit *exec.ExitError
	if waited := cmd.Wait(); waited != nil && !errors.As(waited, &exit) {
		return verdict, waited
	}
	verdict.Stderr = []byte(stderr.String())
	return verdict, err
}

// languageOf sends yamux's ping, and tells by the answer who is there.
func languageOf(directory, line string) (string, error) {
	path := strings.Split(line, "|")[3]
	if !filepath.IsAbs(path) {
		path = filepath.Join(directory, path)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	ping := []byte{0, 2, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4}
	if _, err := conn.Write(ping); err != nil {
		return "", err
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(conn, answer); err == io.EOF {
		return "tls", nil // which hangs up on what is none
	} else if err != nil {
		return "", err
	}
	switch {
	case binary.BigEndian.Uint32(answer) == 0x0002_0002: // version 0, ping, ACK
		return "yamux", nil
	case answer[3] == 0x04: // SETTINGS, of HTTP/2
		return "grpc", nil
	}
	return "something else", nil
}
