package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// askAgent makes a tls.Config.VerifyConnection hook of the agent's check socket. It is called for resumed sessions too, which VerifyPeerCertificate is not.
func askAgent(socket string, allowed spiffeid.ID, class string) func(tls.ConnectionState) error {
	client := &http.Client{
		Timeout: 2 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}},
	}
	return func(state tls.ConnectionState) error {
		chain := []string{}
		for _, certificate := range state.PeerCertificates {
			chain = append(chain, base64.StdEncoding.EncodeToString(certificate.Raw))
		}
		question, err := json.Marshal(map[string]any{"chain": chain, "allow": []string{allowed.String()}, "class": class})
		if err != nil {
			return err
		}
		response, err := client.Post("http://localhost/check", "application/json", bytes.NewReader(question))
		if err != nil {
			return fmt.Errorf("the agent did not answer: %w", err)
		}
		defer response.Body.Close()
		var answer struct{ Verdict, Reason string }
		_ = json.NewDecoder(response.Body).Decode(&answer)
		if response.StatusCode != http.StatusOK {
			say("refused", map[string]any{"verdict": answer.Verdict, "resumed": state.DidResume})
			return fmt.Errorf("the agent says %s: %s", answer.Verdict, answer.Reason)
		}
		return nil
	}
}

// serveChecked: as serve, and each connection is put to the agent.
func serveChecked(ctx context.Context, allowed, socket string) error {
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	id, err := spiffeid.FromString(allowed)
	if err != nil {
		return err
	}
	config := tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeID(id))
	config.VerifyConnection = askAgent(socket, id, "standard")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		TLSConfig: config,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.TLS.PeerCertificates[0].URIs[0].String())
		}),
		ReadHeaderTimeout: 5 * time.Second,
	}
	go func() { <-ctx.Done(); server.Close() }()
	say("serving", map[string]any{"address": listener.Addr().String()})
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
