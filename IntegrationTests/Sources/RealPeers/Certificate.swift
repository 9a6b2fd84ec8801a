/// Files of a key and its certificate, in PEM.
public struct Certificate: Sendable {
    /// The private key.
    public let key: String
    /// The certificate, which signs itself: for `localhost`, 127.0.0.1 and ::1.
    public let certificate: String
    /// Both in one file.
    public let combined: String
}

extension Peers {
    /// Makes a key and a certificate for this host, with `openssl`.
    ///
    /// - Parameter commonName: The name of its subject.
    /// - Returns: Where they are.
    /// - Throws: ``PeerError`` if it cannot be made.
    public func makeCertificate(commonName: String = "localhost") async throws -> Certificate {
        let (key, certificate) = (path("\(commonName).key"), path("\(commonName).pem"))
        let options = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/CN=\(commonName)", "-days", "60", "-keyout", key, "-out", certificate,
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
        ]
        let openssl = try start(["openssl"] + options)
        guard try await openssl.waitForExit() == .status(0) else {
            throw PeerError("openssl made no certificate")
        }
        let combined = try file(
            "\(commonName).both",
            try contents("\(commonName).pem") + contents("\(commonName).key")
        )
        return Certificate(key: key, certificate: certificate, combined: combined)
    }
}
