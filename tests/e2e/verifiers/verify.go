// Go's verifier (crypto/x509) for test_six_verifiers.py:
//
//	verify ROOT.pem (PURPOSE NAME CHAIN.pem)…
//
// PURPOSE is client (NAME is not looked at) or server. One line for each chain: "ok", or "refused REASON: sentence".
package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

func read(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, certificate)
	}
	if len(found) == 0 {
		return nil, errors.New(path + ": no certificate")
	}
	return found, nil
}

func reason(err error) string {
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) {
		return "other"
	}
	switch invalid.Reason {
	case x509.CANotAuthorizedForThisName:
		return "name-constraint"
	case x509.IncompatibleUsage, x509.CANotAuthorizedForExtKeyUsage:
		return "extended-key-usage"
	case x509.TooManyIntermediates:
		return "path-length"
	}
	return "other"
}

func verify(root *x509.Certificate, purpose, name, path string) error {
	chain, err := read(path)
	if err != nil {
		return err
	}
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	options.Roots.AddCert(root)
	for _, certificate := range chain[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if purpose == "server" {
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		options.DNSName = name
	}
	_, err = chain[0].Verify(options)
	return err
}

func main() {
	if len(os.Args) < 5 || len(os.Args)%3 != 2 {
		fmt.Fprintln(os.Stderr, "usage: verify ROOT.pem (PURPOSE NAME CHAIN.pem)…")
		os.Exit(2)
	}
	root, err := read(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for rest := os.Args[2:]; len(rest) > 0; rest = rest[3:] {
		if err := verify(root[0], rest[0], rest[1], rest[2]); err != nil {
			fmt.Printf("refused %s: %s\n", reason(err), strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok")
		}
	}
}
