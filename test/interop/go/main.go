// A workload written with the real go-spiffe: what a mayfly agent gives out must work here unchanged.
// Every mode prints one JSON object a line on standard output and ends on its own error or on SIGTERM.
package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var printing sync.Mutex

func say(event string, fields map[string]any) {
	printing.Lock()
	defer printing.Unlock()
	line := map[string]any{"event": event}
	for name, value := range fields {
		line[name] = value
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: workload fetch|bundles|watch|serve|serve-checked|call|hold ...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var err error
	switch os.Args[1] {
	case "fetch":
		err = fetch(ctx)
	case "bundles":
		err = bundles(ctx)
	case "watch":
		err = watch(ctx)
	case "serve":
		err = serve(ctx, os.Args[2])
	case "serve-checked":
		err = serveChecked(ctx, os.Args[2], os.Args[3])
	case "call":
		err = call(ctx, os.Args[2], os.Args[3])
	case "hold":
		err = hold(ctx, os.Args[2], os.Args[3])
	default:
		err = fmt.Errorf("unknown mode %q", os.Args[1])
	}
	if err != nil && ctx.Err() == nil {
		say("failed", map[string]any{"code": status.Code(unwrapped(err)).String(), "message": err.Error()})
		os.Exit(1)
	}
}

func unwrapped(err error) error {
	for current := err; current != nil; current = errors.Unwrap(current) {
		if s, ok := status.FromError(current); ok && s.Code() != codes.Unknown {
			return current
		}
	}
	return err
}

func describe(svid *x509svid.SVID) map[string]any {
	leaf := svid.Certificates[0]
	key := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	return map[string]any{
		"id": svid.ID.String(), "serial": hex.EncodeToString(leaf.SerialNumber.Bytes()), "key": hex.EncodeToString(key[:]),
		"hint": svid.Hint, "notAfterMs": leaf.NotAfter.UnixMilli(), "chain": len(svid.Certificates),
	}
}

// fetch: one call with a deadline; then each SVID is verified with go-spiffe's own verifier against the bundle that came with it.
func fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	x509Context, err := client.FetchX509Context(ctx)
	if err != nil {
		return err
	}
	for _, svid := range x509Context.SVIDs {
		if _, _, err := x509svid.Verify(svid.Certificates, x509Context.Bundles); err != nil {
			return fmt.Errorf("go-spiffe does not verify what the agent gave: %w", err)
		}
		say("svid", describe(svid))
	}
	return nil
}

func bundles(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	set, err := client.FetchX509Bundles(ctx)
	if err != nil {
		return err
	}
	for _, bundle := range set.Bundles() {
		say("bundle", map[string]any{"trustDomain": bundle.TrustDomain().Name(), "authorities": len(bundle.X509Authorities())})
	}
	return nil
}

type printer struct{}

func (printer) OnX509ContextUpdate(update *workloadapi.X509Context) {
	ids := []map[string]any{}
	for _, svid := range update.SVIDs {
		ids = append(ids, describe(svid))
	}
	authorities := 0
	if own, ok := update.Bundles.Get(update.SVIDs[0].ID.TrustDomain()); ok {
		authorities = len(own.X509Authorities())
	}
	say("update", map[string]any{"svids": ids, "authorities": authorities})
}

func (printer) OnX509ContextWatchError(err error) {
	say("watch_error", map[string]any{"code": status.Code(unwrapped(err)).String(), "message": err.Error()})
}

func watch(ctx context.Context) error {
	return workloadapi.WatchX509Context(ctx, printer{})
}

// serve: an HTTPS server that authorizes exactly the given ID and answers with the caller's ID.
func serve(ctx context.Context, allowed string) error {
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	allow, err := authorizer(allowed)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		TLSConfig: tlsconfig.MTLSServerConfig(source, source, allow),
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

func authorizer(allowed string) (tlsconfig.Authorizer, error) {
	id, err := spiffeid.FromString(allowed)
	if err != nil {
		return nil, err
	}
	return tlsconfig.AuthorizeID(id), nil
}

// call: one request to the address; the server must be exactly the given ID.
func call(ctx context.Context, address, expected string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	allow, err := authorizer(expected)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: tlsconfig.MTLSClientConfig(source, source, allow)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err != nil {
		return err
	}
	say("answer", map[string]any{"status": response.StatusCode, "sawClient": strings.TrimSpace(string(body)), "server": response.TLS.PeerCertificates[0].URIs[0].String()})
	return nil
}

// hold: keeps one mTLS connection open over rotations, says each line that comes over it, and when it is cut.
func hold(ctx context.Context, address, expected string) error {
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return err
	}
	defer source.Close()
	allow, err := authorizer(expected)
	if err != nil {
		return err
	}
	dialer := tls.Dialer{Config: tlsconfig.MTLSClientConfig(source, source, allow)}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	go func() { <-ctx.Done(); conn.Close() }()
	say("connected", nil)
	buffer := make([]byte, 4096)
	for {
		count, err := conn.Read(buffer)
		if err != nil {
			say("closed", map[string]any{"message": err.Error()})
			return nil
		}
		say("data", map[string]any{"text": string(buffer[:count])})
	}
}

