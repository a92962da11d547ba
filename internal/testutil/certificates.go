package testutil

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Authority is a certificate authority. It writes each certificate NAME to Dir, as NAME.pem and NAME-key.pem; its own
// is named ca.
type Authority struct {
	Dir  string
	Pool *x509.CertPool // contains only this authority

	t           testing.TB
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	serial      int64
}

// NewAuthority returns an authority with a directory of its own.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, Dir: t.TempDir(), Pool: x509.NewCertPool()}
	pair := a.Issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("the key of the authority is a %T", pair.PrivateKey)
	}
	a.certificate, a.key = pair.Leaf, key
	a.Pool.AddCert(a.certificate)
	return a
}

// Path returns the path of the certificate NAME.
func (a *Authority) Path(name string) string { return filepath.Join(a.Dir, name+".pem") }

// Issue creates a certificate from template, which is valid for an hour unless the template specifies another end.
func (a *Authority) Issue(name string, template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.NotBefore = time.Now().Add(-2 * time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := a.certificate, a.key
	if parent == nil { // the certificate of the authority, which is signed by itself
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.writePEM(name, "CERTIFICATE", der)
	a.writePEM(name+"-key", "PRIVATE KEY", private)
	pair, err := tls.LoadX509KeyPair(a.Path(name), a.Path(name+"-key"))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

func (a *Authority) writePEM(name, blockType string, der []byte) {
	a.t.Helper()
	WriteFile(a.t, a.Path(name), string(pem.EncodeToMemory(&pem.Block{Type: blockType, Bytes: der})))
}

// IssueServer creates the certificate "server", for 127.0.0.1 and the given names.
func (a *Authority) IssueServer(names ...string) tls.Certificate {
	a.t.Helper()
	return a.Issue("server", &x509.Certificate{
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// IssueClient creates the certificate "client". If notAfter is zero, it is valid for an hour.
func (a *Authority) IssueClient(notAfter time.Time) tls.Certificate {
	a.t.Helper()
	return a.Issue("client", &x509.Certificate{
		NotAfter: notAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// HashPassword returns the bcrypt hash of a password, as a web configuration contains it.
func HashPassword(t testing.TB, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// ServerTLS returns the configuration of a server that has the given certificate.
func ServerTLS(pair tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}
