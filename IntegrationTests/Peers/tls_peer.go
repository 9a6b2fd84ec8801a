// Go's crypto/tls on the other side.
//
//	tls_peer -cert PEM -key PEM [-clients PEM]              prints "listening PORT"
//	tls_peer -connect HOST:PORT -ca PEM [-cert PEM -key PEM] [-times N] -file FILE
//
// The server sends back what comes; after the client's end it adds the SHA-256 of all that came, and
// ends. The client does the same for its FILE: it sends it, ends its direction, reads to the end, and
// writes what came to standard output. Both print what was agreed on to standard error, in the words of
// the tests.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
)

var (
	cert    = flag.String("cert", "", "our certificate")
	key     = flag.String("key", "", "its key")
	clients = flag.String("clients", "", "who may vouch for clients, which then must show a certificate")
	connect = flag.String("connect", "", "be a client")
	ca      = flag.String("ca", "", "whom to trust")
	name    = flag.String("name", "localhost", "the server's name")
	alpn    = flag.String("alpn", "", "protocols, by comma")
	version = flag.String("version", "", "1.2 or 1.3")
	times   = flag.Int("times", 1, "how often to connect")
	file    = flag.String("file", "", "what to send")
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed", err)
		os.Exit(1)
	}
}

func pool(path string) *x509.CertPool {
	pem, err := os.ReadFile(path)
	must(err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		must(errors.New("no certificate in " + path))
	}
	return roots
}

func configuration() *tls.Config {
	config := &tls.Config{ServerName: *name, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		must(err)
		config.Certificates = []tls.Certificate{pair}
	}
	if *alpn != "" {
		config.NextProtos = strings.Split(*alpn, ",")
	}
	if *version == "1.2" {
		config.MaxVersion = tls.VersionTLS12
	} else if *version == "1.3" {
		config.MinVersion = tls.VersionTLS13
	}
	if *ca != "" {
		config.RootCAs = pool(*ca)
	}
	if *clients != "" {
		config.ClientCAs = pool(*clients)
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config
}

func facts(state tls.ConnectionState) string {
	text := func(value string) string {
		if value == "" {
			return "-"
		}
		return value
	}
	peer := "-"
	if len(state.VerifiedChains) > 0 {
		peer = state.PeerCertificates[0].Subject.String()
	}
	number := map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"}[state.Version]
	return fmt.Sprintf("TLS %s alpn=%s name=%s resumed=%t peer=%s", number,
		text(state.NegotiatedProtocol), text(state.ServerName), state.DidResume, peer)
}

func serve(connection *tls.Conn) {
	defer connection.Close()
	if err := connection.Handshake(); err != nil {
		fmt.Fprintln(os.Stderr, "refused", err)
		return
	}
	fmt.Fprintln(os.Stderr, facts(connection.ConnectionState()))
	sum := sha256.New()
	if _, err := io.Copy(connection, io.TeeReader(connection, sum)); err != nil {
		fmt.Fprintln(os.Stderr, "broken", err)
		return
	}
	fmt.Fprintf(connection, "%x\n", sum.Sum(nil))
	connection.CloseWrite()
	// The peer's FIN: closing first would reset what it has not read yet.
	io.Copy(io.Discard, connection.NetConn())
}

func exchange(config *tls.Config) {
	connection, err := tls.Dial("tcp", *connect, config)
	must(err)
	defer connection.Close()
	input, err := os.Open(*file)
	must(err)
	defer input.Close()
	var sending sync.WaitGroup
	sending.Add(1)
	go func() {
		defer sending.Done()
		_, err := io.Copy(connection, input)
		must(err)
		must(connection.CloseWrite())
	}()
	_, err = io.Copy(os.Stdout, connection)
	must(err)
	sending.Wait()
	fmt.Fprintln(os.Stderr, facts(connection.ConnectionState()))
}

func main() {
	flag.Parse()
	config := configuration()
	if *connect != "" {
		for i := 0; i < *times; i++ {
			exchange(config)
		}
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		must(err)
		go serve(tls.Server(connection, config))
	}
}
