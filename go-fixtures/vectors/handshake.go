package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

const (
	// As far as the host is concerned nothing more comes after this.
	shortTimeout = 2 * time.Second
	longTimeout  = 20 * time.Second
)

// handshakeCase is a plugin's whole stdout and the hosts to show it to.
type handshakeCase struct {
	name   string
	stdout string
	// exits tells that stdout ends there; otherwise it stays open.
	exits bool
	// timesOut tells that the host must wait in vain.
	timesOut bool
	hosts    []hostOptions
}

// handshakeVector is one case as written, with one host's answer.
type handshakeVector struct {
	Name    string      `json:"name"`
	Stdout  text        `json:"stdout"`
	EOF     bool        `json:"eof"`
	Host    hostOptions `json:"host"`
	OK      bool        `json:"ok"`
	Error   *string     `json:"error"`
	Panic   *string     `json:"panic"`
	Results *accepted   `json:"accepted"`
}

var (
	plain   = hostOptions{Versions: []int{1}, Allow: []string{"grpc"}}
	both    = hostOptions{Versions: []int{1}, Allow: []string{"netrpc", "grpc"}}
	twoOf   = hostOptions{Versions: []int{2, 3}, Allow: []string{"grpc"}}
	zero    = hostOptions{Versions: []int{0}, Allow: []string{"grpc"}}
	mtls    = hostOptions{Versions: []int{1}, Allow: []string{"grpc"}, AutoMTLS: true}
	mux     = hostOptions{Versions: []int{1}, Allow: []string{"grpc"}, Mux: true}
	muxMTLS = hostOptions{Versions: []int{1}, Allow: []string{"grpc"}, AutoMTLS: true, Mux: true}
	muxBoth = hostOptions{Versions: []int{1}, Allow: []string{"netrpc", "grpc"}, Mux: true}
)

func recordHandshakes(pluginPath string) (any, error) {
	cert, err := telltaleCertificate(pluginPath)
	if err != nil {
		return nil, err
	}
	type pair struct {
		handshakeCase
		host hostOptions
	}
	var pairs []pair
	for _, one := range handshakeCases(cert) {
		for _, host := range one.hosts {
			pairs = append(pairs, pair{one, host})
		}
	}
	return each(pairs, func(p pair) (handshakeVector, error) { return shake(p.handshakeCase, p.host) })
}

// telltaleCertificate returns a certificate that shows if base64 is not the standard
// one without padding: one whose length, which varies, would need padding, and with
// characters of its own in the standard alphabet.
func telltaleCertificate(pluginPath string) (string, error) {
	for {
		cert, err := pluginCertificate(pluginPath)
		if err != nil || (len(cert)%4 != 0 && strings.ContainsAny(cert, "+/")) {
			return cert, err
		}
	}
}

func shake(one handshakeCase, host hostOptions) (handshakeVector, error) {
	timeout := longTimeout
	if one.timesOut {
		timeout = shortTimeout
	}
	outcome, err := runHostCase(hostCase{
		Script:       stubScript{Stdout: []byte(one.stdout), Stay: !one.exits},
		Options:      host,
		StartTimeout: timeout,
	})
	vector := handshakeVector{
		Name: one.name, Stdout: text(one.stdout), EOF: one.exits, Host: host,
		OK: outcome.Accepted != nil, Results: outcome.Accepted,
	}
	if outcome.Panic != "" {
		vector.Panic = &outcome.Panic
	} else if outcome.Error != "" {
		message := steadyError(outcome.Error)
		vector.Error = &message
	}
	return vector, err
}

// steadyError takes out what differs between runs: the notes about the executable, and
// the order of a map's keys.
func steadyError(message string) string {
	message, _, _ = strings.Cut(message, "\nThis usually means\n")
	return strings.ReplaceAll(message, "[3 2]", "[2 3]")
}

// line is a complete handshake with the given fields instead of the usual first ones.
func line(fields ...string) string {
	usual := []string{"1", "1", "unix", "/tmp/plugin1", "grpc", ""}
	return strings.Join(append(fields, usual[min(len(fields), len(usual)):]...), "|") + "\n"
}

func handshakeCases(cert string) []handshakeCase {
	var cases []handshakeCase
	cases = append(cases, framingCases()...)
	cases = append(cases, fieldCountCases()...)
	cases = append(cases, numberCases()...)
	cases = append(cases, addressCases()...)
	cases = append(cases, protocolCases()...)
	cases = append(cases, certificateCases(cert)...)
	return append(cases, muxCases(cert)...)
}

func framingCases() []handshakeCase {
	usual := line()
	// bufio.Scanner takes lines that fit its buffer of 65536 bytes with the newline.
	padded := func(length int) string {
		return line()[:len(usual)-1] + "|" + strings.Repeat("x", length-len(usual)-1) + "\n"
	}
	only := []hostOptions{plain}
	return []handshakeCase{
		{name: "usual", stdout: usual, hosts: []hostOptions{plain, both}},
		{name: "leading and trailing blanks", stdout: " \t " + strings.TrimSpace(usual) + " \t\n", hosts: only},
		{name: "carriage return", stdout: strings.Replace(usual, "\n", "\r\n", 1), hosts: only},
		{name: "no-break space round it", stdout: "\u00a0" + strings.TrimSpace(usual) + "\u00a0\n", hosts: only},
		{name: "byte order mark", stdout: "\ufeff" + usual, hosts: only},
		{name: "no newline, then end of file", stdout: strings.TrimSpace(usual), exits: true, hosts: only},
		{name: "no newline, stdout open", stdout: strings.TrimSpace(usual), timesOut: true, hosts: only},
		{name: "nothing, end of file", exits: true, hosts: only},
		{name: "nothing, stdout open", timesOut: true, hosts: only},
		{name: "text before", stdout: "starting\n" + usual, hosts: only},
		{name: "empty line before", stdout: "\n" + usual, hosts: only},
		{name: "text after", stdout: usual + "ready\n", hosts: only},
		{name: "longest line", stdout: padded(65536), hosts: only},
		{name: "line too long", stdout: padded(65537), exits: true, hosts: only},
	}
}

func fieldCountCases() []handshakeCase {
	fields := []string{"1", "1", "unix", "/tmp/plugin1", "grpc", "", "true", "more", "and more"}
	var cases []handshakeCase
	for count := 1; count <= len(fields); count++ {
		cases = append(cases, handshakeCase{
			name:   fmt.Sprintf("%d fields", count),
			stdout: strings.Join(fields[:count], "|") + "\n",
			hosts:  []hostOptions{plain, both, mux},
		})
	}
	return append(cases, handshakeCase{
		name: "bar in the path", stdout: line("1", "1", "unix", "/tmp/a|b"), hosts: []hostOptions{plain},
	})
}

func numberCases() []handshakeCase {
	var cases []handshakeCase
	for _, number := range []string{
		"+1", "01", "0001", "-1", "+", "", " 1", "1 ", "1.0", "0x1", "1_0", "1e0", "\uff11", "x", "0", "2",
		"99999999999999999999",
	} {
		cases = append(cases,
			handshakeCase{name: fmt.Sprintf("core version %q", number), stdout: line(number), hosts: []hostOptions{plain}},
			handshakeCase{name: fmt.Sprintf("version %q", number), stdout: line("1", number), hosts: []hostOptions{plain}},
		)
	}
	for _, number := range []string{"1", "2", "3", "03"} {
		cases = append(cases, handshakeCase{
			name: fmt.Sprintf("version %q of two", number), stdout: line("1", number), hosts: []hostOptions{twoOf},
		})
	}
	return append(cases, handshakeCase{
		name: "version zero", stdout: line("1", "0"), hosts: []hostOptions{zero},
	})
}

func addressCases() []handshakeCase {
	var cases []handshakeCase
	for _, address := range [][2]string{
		{"unix", "/tmp/plugin1"}, {"unix", "relative"}, {"unix", ""}, {"unix", "/tmp/with blank"},
		{"unix", "@abstract"}, {"unix", " /tmp/plugin1"}, {"unix", "/tmp/plügin"},
		{"tcp", "127.0.0.1:1234"}, {"tcp", "localhost:1234"}, {"tcp", "[::1]:1234"}, {"tcp", ":1234"},
		{"tcp", "127.0.0.1:http"}, {"tcp", "127.0.0.1:"}, {"tcp", "127.0.0.1:0"}, {"tcp", "127.0.0.1:65536"},
		{"tcp", "127.0.0.1:-1"}, {"tcp", "127.0.0.1"}, {"tcp", "nohostport"}, {"tcp", "::1:1234"}, {"tcp", ""},
		{"tcp4", "127.0.0.1:1234"}, {"TCP", "127.0.0.1:1234"}, {"Unix", "/tmp/plugin1"},
		{" unix", "/tmp/plugin1"}, {"", "/tmp/plugin1"}, {"udp", "127.0.0.1:1234"}, {"npipe", `\\.\pipe\x`},
	} {
		cases = append(cases, handshakeCase{
			name:   fmt.Sprintf("address %q %q", address[0], address[1]),
			stdout: line("1", "1", address[0], address[1]),
			hosts:  []hostOptions{plain},
		})
	}
	return cases
}

func protocolCases() []handshakeCase {
	var cases []handshakeCase
	for _, protocol := range []string{"grpc", "netrpc", "GRPC", " grpc", "grpc ", "", "http"} {
		cases = append(cases, handshakeCase{
			name:   fmt.Sprintf("protocol %q", protocol),
			stdout: line("1", "1", "unix", "/tmp/plugin1", protocol),
			hosts:  []hostOptions{plain, both},
		})
	}
	return append(cases, handshakeCase{
		name: "blank after a last protocol field", stdout: "1|1|unix|/tmp/plugin1|grpc \n", hosts: []hostOptions{plain},
	})
}

func certificateCases(cert string) []handshakeCase {
	der, _ := base64.RawStdEncoding.DecodeString(cert)
	withCert := func(cert string) string { return line("1", "1", "unix", "/tmp/plugin1", "grpc", cert) }
	everyone := []hostOptions{plain, mtls}
	only := []hostOptions{mtls}
	padding := strings.Repeat("=", (4-len(cert)%4)%4)
	return []handshakeCase{
		{name: "no certificate", stdout: withCert(""), hosts: only},
		{name: "certificate", stdout: withCert(cert), hosts: []hostOptions{plain, mtls, muxMTLS}},
		{name: "blank after the certificate", stdout: withCert(cert + " "), hosts: only},
		{name: "blank before the certificate", stdout: withCert(" " + cert), hosts: only},
		{name: "fifty characters of garbage", stdout: withCert(strings.Repeat("x", 50)), hosts: everyone},
		{name: "51 characters of base64", stdout: withCert(strings.Repeat("x", 51)), hosts: only},
		{name: "52 characters of base64", stdout: withCert(strings.Repeat("x", 52)), hosts: everyone},
		{name: "garbage that is no base64", stdout: withCert(strings.Repeat("*", 60)), hosts: everyone},
		{name: "padded certificate", stdout: withCert(cert + padding), hosts: only},
		{name: "padding too much", stdout: withCert(cert + "===="), hosts: only},
		{name: "certificate in the URL alphabet", stdout: withCert(base64.RawURLEncoding.EncodeToString(der)), hosts: only},
		{name: "certificate without its last byte", stdout: withCert(base64.RawStdEncoding.EncodeToString(der[:len(der)-1])), hosts: only},
		{name: "certificate and one byte", stdout: withCert(base64.RawStdEncoding.EncodeToString(append(der[:len(der):len(der)], 0))), hosts: only},
		{name: "certificate with a carriage return inside", stdout: withCert(cert[:64] + "\r" + cert[64:]), hosts: only},
		{name: "certificate as PEM on one line", stdout: withCert("-----BEGIN CERTIFICATE-----" + cert + "-----END CERTIFICATE-----"), hosts: only},
	}
}

func muxCases(cert string) []handshakeCase {
	var cases []handshakeCase
	for _, value := range []string{
		"1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False",
		"", "yes", "tRUE", " true", "true ", "2",
	} {
		cases = append(cases, handshakeCase{
			name:   fmt.Sprintf("multiplexing %q", value),
			stdout: line("1", "1", "unix", "/tmp/plugin1", "grpc", "", value),
			hosts:  []hostOptions{plain, mux},
		})
	}
	return append(cases,
		handshakeCase{
			name:   "multiplexing \"true \" before more",
			stdout: line("1", "1", "unix", "/tmp/plugin1", "grpc", "", "true ", "more"),
			hosts:  []hostOptions{mux},
		},
		handshakeCase{
			name:   "multiplexing and a certificate",
			stdout: line("1", "1", "unix", "/tmp/plugin1", "grpc", cert, "true"),
			hosts:  []hostOptions{mtls, muxMTLS},
		},
		handshakeCase{
			name:   "multiplexing asked of net/rpc",
			stdout: line("1", "1", "unix", "/tmp/plugin1", "netrpc"),
			hosts:  []hostOptions{muxBoth},
		},
	)
}
