// The same as noise_ours.cc with Debian's golang-github-flynn-noise-dev.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/flynn/noise"
	"golang.org/x/crypto/curve25519"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func word(text string) []byte {
	if text == "-" {
		return nil
	}
	out, err := hex.DecodeString(strings.TrimSpace(text))
	must(err)
	return out
}

func main() {
	pattern, initiates := os.Args[1], os.Args[2] == "initiator"
	prologue, key, ephemeral, payload := word(os.Args[3]), word(os.Args[4]), word(os.Args[5]), word(os.Args[6])
	config := noise.Config{
		CipherSuite: noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256),
		Random:      bytes.NewReader(ephemeral), Initiator: initiates, Prologue: prologue}
	if pattern == "nnpsk0" {
		config.Pattern, config.PresharedKey, config.PresharedKeyPlacement = noise.HandshakeNN, key, 0
	} else {
		config.Pattern = noise.HandshakeNK
		if initiates {
			config.PeerStatic = key
		} else {
			public, err := curve25519.X25519(key, curve25519.Basepoint)
			must(err)
			config.StaticKeypair = noise.DHKey{Private: key, Public: public}
		}
	}
	state, err := noise.NewHandshakeState(config)
	must(err)
	lines := bufio.NewReader(os.Stdin)
	hear := func() []byte {
		line, err := lines.ReadString('\n')
		must(err)
		return word(line)
	}
	var toResponder, toInitiator *noise.CipherState
	write := func() {
		message, first, second, err := state.WriteMessage(nil, payload)
		must(err)
		fmt.Printf("message %x\n", message)
		toResponder, toInitiator = first, second
	}
	read := func() {
		got, first, second, err := state.ReadMessage(nil, hear())
		must(err)
		fmt.Printf("payload %x\n", got)
		toResponder, toInitiator = first, second
	}
	if initiates {
		write()
		read()
	} else {
		read()
		write()
	}
	first, err := toResponder.Encrypt(nil, nil, []byte("proof"))
	must(err)
	second, err := toInitiator.Encrypt(nil, nil, []byte("proof"))
	must(err)
	fmt.Printf("proof %x %x %x\n", first, second, state.ChannelBinding())
}
