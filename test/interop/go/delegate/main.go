// delegate: SPIRE's own client of the delegated identity API, as a proxy uses it. Arguments: admin socket, then selectors as type:value, or a pid.
// Prints a line of JSON for each message, the last one for what ended the stream.
package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"

	debug "github.com/spiffe/spire-api-sdk/proto/spire/api/agent/debug/v1"
	delegatedidentity "github.com/spiffe/spire-api-sdk/proto/spire/api/agent/delegatedidentity/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

type line map[string]any

func main() {
	out := json.NewEncoder(os.Stdout)
	if err := run(out, os.Args[1], os.Args[2:]); err != nil {
		_ = out.Encode(line{"event": "ended", "status": status.Code(err).String(), "message": err.Error()})
		os.Exit(1)
	}
}

func run(out *json.Encoder, socket string, about []string) error {
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx := context.Background()
	if len(about) == 0 {
		info, err := debug.NewDebugClient(conn).GetInfo(ctx, &debug.GetInfoRequest{})
		if err != nil {
			return err
		}
		var ids []string
		for _, cert := range info.SvidChain {
			ids = append(ids, cert.Id.GetTrustDomain()+cert.Id.GetPath())
		}
		return out.Encode(line{"event": "info", "chain": ids, "uptime": info.Uptime, "svids": info.CachedX509SvidsCount, "lastSync": info.LastSyncSuccess})
	}
	client := delegatedidentity.NewDelegatedIdentityClient(conn)
	bundles, err := client.SubscribeToX509Bundles(ctx, &delegatedidentity.SubscribeToX509BundlesRequest{})
	if err != nil {
		return err
	}
	first, err := bundles.Recv()
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	for _, der := range first.CaCertificates {
		certs, err := x509.ParseCertificates(der)
		if err != nil {
			return err
		}
		for _, cert := range certs {
			roots.AddCert(cert)
		}
	}
	stream, err := client.SubscribeToX509SVIDs(ctx, requestOf(about))
	if err != nil {
		return err
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return err
		}
		ids, serials := []string{}, []string{}
		for _, svid := range message.X509Svids {
			serial, err := checked(svid, roots)
			if err != nil {
				return err
			}
			ids = append(ids, "spiffe://"+svid.X509Svid.Id.TrustDomain+svid.X509Svid.Id.Path)
			serials = append(serials, serial)
		}
		if err := out.Encode(line{"event": "svids", "ids": ids, "serials": serials}); err != nil {
			return err
		}
	}
}

func requestOf(about []string) *delegatedidentity.SubscribeToX509SVIDsRequest {
	if pid, err := strconv.ParseInt(about[0], 10, 32); err == nil {
		return &delegatedidentity.SubscribeToX509SVIDsRequest{Pid: int32(pid)}
	}
	request := &delegatedidentity.SubscribeToX509SVIDsRequest{}
	for _, selector := range about {
		kind, value, _ := strings.Cut(selector, ":")
		request.Selectors = append(request.Selectors, &types.Selector{Type: kind, Value: value})
	}
	return request
}

// checked pairs the key with the certificate, as a TLS server would, and verifies the chain up to the bundle.
func checked(svid *delegatedidentity.X509SVIDWithKey, roots *x509.CertPool) (string, error) {
	key, err := x509.ParsePKCS8PrivateKey(svid.X509SvidKey)
	if err != nil {
		return "", err
	}
	chain := svid.X509Svid.CertChain
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return "", err
	}
	intermediates := x509.NewCertPool()
	for _, der := range chain[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return "", err
		}
		intermediates.AddCert(cert)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return "", err
	}
	signer, isSigner := key.(crypto.Signer)
	public, isComparable := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !isSigner || !isComparable || !public.Equal(signer.Public()) {
		return "", errors.New("key and certificate are no pair")
	}
	return leaf.SerialNumber.Text(16), nil
}
