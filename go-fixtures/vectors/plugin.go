package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

const (
	cookie = "ECHO_PLUGIN=5f0c1a5e"
	// These stand for what differs at each run.
	addressMark     = "ADDRESS"
	certificateMark = "CERTIFICATE"
	hostPEMMark     = "HOST_CERTIFICATE"
)

// output is what a plugin says on start.
type output struct {
	line   string
	stderr string
}

// startPlugin runs the plugin with this environment only, until its line is there.
func startPlugin(path string, env ...string) (output, error) {
	var stderr bytes.Buffer
	// A killed plugin leaves its socket behind.
	socketDir, err := os.MkdirTemp("", "vectors")
	if err != nil {
		return output{}, err
	}
	defer func() { _ = os.RemoveAll(socketDir) }()
	cmd := exec.Command(path)
	cmd.Env = append([]string{cookie, "TMPDIR=" + socketDir}, env...)
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return output{}, err
	}
	if err := cmd.Start(); err != nil {
		return output{}, err
	}
	limit := time.AfterFunc(longTimeout, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	line, readErr := bufio.NewReader(stdout).ReadString('\n')
	if err := cmd.Process.Kill(); err != nil {
		return output{}, err
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return output{}, err
	}
	return output{line, stderr.String()}, readErr
}

// lineVector is a real plugin's handshake line.
type lineVector struct {
	Environment map[string]string `json:"environment"`
	Line        string            `json:"line"`
}

// recordLines records the lines under all that changes their form.
func recordLines(pluginPath string) (any, error) {
	var environments []map[string]string
	for _, cert := range []string{"", hostPEMMark, "not a certificate"} {
		for _, mux := range []string{"", "true", "false", "0", "yes"} {
			environment := map[string]string{}
			if cert != "" {
				environment["PLUGIN_CLIENT_CERT"] = cert
			}
			if mux != "" {
				environment["PLUGIN_MULTIPLEX_GRPC"] = mux
			}
			environments = append(environments, environment)
		}
	}
	_, hostPEM, err := hostCertificate()
	if err != nil {
		return nil, err
	}
	return each(environments, func(environment map[string]string) (lineVector, error) {
		var env []string
		for name, value := range environment {
			env = append(env, name+"="+strings.ReplaceAll(value, hostPEMMark, hostPEM))
		}
		started, err := startPlugin(pluginPath, env...)
		return lineVector{environment, steadyLine(started.line)}, err
	})
}

func steadyLine(line string) string {
	fields := strings.Split(strings.TrimSuffix(line, "\n"), "|")
	if len(fields) < 6 {
		return line
	}
	fields[3] = addressMark
	if fields[5] != "" {
		fields[5] = certificateMark
	}
	return strings.Join(fields, "|") + "\n"
}

// versionVector is a plugin's choice of a version.
type versionVector struct {
	Own     []int   `json:"own"`
	Offered *string `json:"offered"`
	Chosen  int     `json:"chosen"`
	Stderr  string  `json:"stderr"`
}

func recordVersions(pluginPath string) (any, error) {
	var cases []versionVector
	add := func(own []int, offered ...string) {
		cases = append(cases, versionVector{Own: own})
		for _, list := range offered {
			cases = append(cases, versionVector{Own: own, Offered: &list})
		}
	}
	add([]int{1}, "", "1", "2", "1,2")
	add([]int{2, 3}, "", "2", "3", "2,3", "3,2", "3,3,2", "9", "1", "1,2", "1,4", "4,3", "2,9",
		" 3", "3 ", "2, 3", "x", "x,2", "2,,3", ",", "+3", "03", "-3", "3.0", "99999999999999999999,2")
	add([]int{1, 5, 10}, "", "5", "1,5", "10", "1,10", "5,10", "2,3,4", "9,11")
	add([]int{0, 1}, "", "0", "1", "0,1", "7")
	return each(cases, func(one versionVector) (versionVector, error) {
		// The values of the handshake are those without ECHO_VERSIONS.
		var env []string
		if !slices.Equal(one.Own, []int{1}) {
			env = append(env, "ECHO_VERSIONS="+strings.Trim(strings.ReplaceAll(fmt.Sprint(one.Own), " ", ","), "[]"))
		}
		if one.Offered != nil {
			env = append(env, "PLUGIN_PROTOCOL_VERSIONS="+*one.Offered)
		}
		started, err := startPlugin(pluginPath, env...)
		if err != nil {
			return one, err
		}
		one.Chosen, err = strconv.Atoi(strings.Split(started.line, "|")[1])
		// What comes before the log, for which there is no newline in between.
		one.Stderr, _, _ = strings.Cut(started.stderr, `{"@`)
		return one, err
	})
}

// certificateVector is a certificate of go-plugin's making.
type certificateVector struct {
	Source string           `json:"source"`
	Field  string           `json:"field,omitempty"`
	PEM    string           `json:"pem"`
	Facts  certificateFacts `json:"facts"`
}

// certificateFacts are what all of go-plugin's certificates have in common.
type certificateFacts struct {
	Version               int      `json:"version"`
	Subject               string   `json:"subject"`
	Issuer                string   `json:"issuer"`
	DNSNames              []string `json:"dns_names"`
	IPAddresses           int      `json:"ip_addresses"`
	SignatureAlgorithm    string   `json:"signature_algorithm"`
	Curve                 string   `json:"curve"`
	KeyUsage              []string `json:"key_usage"`
	ExtendedKeyUsage      []string `json:"extended_key_usage"`
	BasicConstraintsValid bool     `json:"basic_constraints_valid"`
	IsCA                  bool     `json:"is_ca"`
	HasPathLength         bool     `json:"has_path_length"`
	HasSubjectKeyID       bool     `json:"has_subject_key_id"`
	HasAuthorityKeyID     bool     `json:"has_authority_key_id"`
	CriticalExtensions    []string `json:"critical_extensions"`
	OtherExtensions       []string `json:"other_extensions"`
	SerialFitsBits        int      `json:"serial_fits_bits"`
	ValiditySeconds       int64    `json:"validity_seconds"`
	SelfSigned            bool     `json:"self_signed"`
}

func recordCertificates(pluginPath string) (any, error) {
	hostCert, hostPEM, err := hostCertificate()
	if err != nil {
		return nil, err
	}
	field, err := pluginCertificate(pluginPath)
	if err != nil {
		return nil, err
	}
	der, err := base64.RawStdEncoding.DecodeString(field)
	if err != nil {
		return nil, err
	}
	pluginCert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	pluginPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return []certificateVector{
		{Source: "plugin: sixth field of the handshake line", Field: field, PEM: string(pluginPEM), Facts: factsOf(pluginCert)},
		{Source: "host: PLUGIN_CLIENT_CERT", PEM: hostPEM, Facts: factsOf(hostCert)},
	}, nil
}

// pluginCertificate returns the certificate field of a real plugin.
func pluginCertificate(pluginPath string) (string, error) {
	_, hostPEM, err := hostCertificate()
	if err != nil {
		return "", err
	}
	started, err := startPlugin(pluginPath, "PLUGIN_CLIENT_CERT="+hostPEM)
	if err != nil {
		return "", err
	}
	return strings.Split(strings.TrimSpace(started.line), "|")[5], nil
}

// hostCertificate returns what a real host puts into PLUGIN_CLIENT_CERT. The host puts
// it into the environment of a command that then does nothing.
func hostCertificate() (*x509.Certificate, string, error) {
	config := newClientConfig(mtls)
	config.Cmd, config.Logger = exec.Command("true"), hclog.NewNullLogger()
	_, _ = plugin.NewClient(config).Start()
	for _, assignment := range config.Cmd.Env {
		text, ok := strings.CutPrefix(assignment, "PLUGIN_CLIENT_CERT=")
		if !ok {
			continue
		}
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return nil, "", errors.New("PLUGIN_CLIENT_CERT is not PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		return cert, text, err
	}
	return nil, "", errors.New("the host sets no PLUGIN_CLIENT_CERT")
}

func factsOf(cert *x509.Certificate) certificateFacts {
	facts := certificateFacts{
		Version: cert.Version, Subject: cert.Subject.String(), Issuer: cert.Issuer.String(),
		DNSNames: cert.DNSNames, IPAddresses: len(cert.IPAddresses),
		SignatureAlgorithm:    cert.SignatureAlgorithm.String(),
		KeyUsage:              keyUsages(cert.KeyUsage),
		ExtendedKeyUsage:      extendedKeyUsages(cert.ExtKeyUsage),
		BasicConstraintsValid: cert.BasicConstraintsValid, IsCA: cert.IsCA,
		HasPathLength:     cert.MaxPathLen > 0 || cert.MaxPathLenZero,
		HasSubjectKeyID:   len(cert.SubjectKeyId) > 0,
		HasAuthorityKeyID: len(cert.AuthorityKeyId) > 0,
		SerialFitsBits:    128,
		ValiditySeconds:   int64(cert.NotAfter.Sub(cert.NotBefore).Seconds()),
		SelfSigned:        cert.CheckSignatureFrom(cert) == nil,
	}
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); ok {
		facts.Curve = key.Curve.Params().Name
	}
	if cert.SerialNumber.Sign() < 0 || cert.SerialNumber.Cmp(new(big.Int).Lsh(big.NewInt(1), 128)) >= 0 {
		facts.SerialFitsBits = cert.SerialNumber.BitLen()
	}
	for _, extension := range cert.Extensions {
		if extension.Critical {
			facts.CriticalExtensions = append(facts.CriticalExtensions, extension.Id.String())
		} else {
			facts.OtherExtensions = append(facts.OtherExtensions, extension.Id.String())
		}
	}
	return facts
}

func keyUsages(usage x509.KeyUsage) []string {
	// In the order of the bits.
	names := []string{
		"digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment",
		"keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
	}
	var set []string
	for bit, name := range names {
		if usage&(1<<bit) != 0 {
			set = append(set, name)
		}
	}
	return set
}

func extendedKeyUsages(usages []x509.ExtKeyUsage) []string {
	var names []string
	for _, usage := range usages {
		switch usage {
		case x509.ExtKeyUsageClientAuth:
			names = append(names, "clientAuth")
		case x509.ExtKeyUsageServerAuth:
			names = append(names, "serverAuth")
		default:
			names = append(names, fmt.Sprint(usage))
		}
	}
	return names
}
