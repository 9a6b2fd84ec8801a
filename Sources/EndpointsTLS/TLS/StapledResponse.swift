// A stapled OCSP response (RFC 6066, section 8) speaks of one certificate and for some days. Sent with
// another certificate, or after its time, it makes strict clients refuse the server, who would have
// accepted it without any. So it goes with its own certificate only, and is held back once it is old.

import COpenSSL
import EndpointsCore
import EventLoop

/// A file with an OCSP response.
struct StapleFile {
    let path: String
    /// From before it was read.
    let stamp: FileStamp
    private let bytes: [UInt8]

    /// Reads an OCSP response (RFC 6960, section 4.2.1).
    ///
    /// - Throws: ``TLSFileError``.
    init(_ path: String) throws {
        self.path = path
        stamp = FileStamp(path)
        bytes = try FileReading.bytes(of: path, argument: "stapledResponse")
        endpoints_clear_errors()
        defer { ERR_clear_error() }
        if endpoints_ocsp_is_response(bytes, bytes.count) == 1 { return }
        throw TLSFileError(
            argument: "stapledResponse",
            path: path,
            reason: "holds no OCSP response (DER)"
        )
    }

    /// What it says of a certificate; `nil` if nothing.
    func response(for leaf: TLSCertificate) -> StapledResponse? {
        var from = 0
        var until = 0
        endpoints_clear_errors()
        defer { ERR_clear_error() }
        guard endpoints_ocsp_times(bytes, bytes.count, leaf.pointer, &from, &until) == 1 else {
            return nil
        }
        return StapledResponse(path: path, bytes: bytes, from: from, until: until)
    }
}

/// An OCSP response about one certificate.
final class StapledResponse: Sendable {
    /// How far clocks may be apart, in seconds.
    private static let tolerance = 300

    let path: String
    let bytes: [UInt8]
    private let from: Int
    /// 0 if it says nothing about its end.
    private let until: Int
    private let isReported = Lock(false)

    fileprivate init(path: String, bytes: [UInt8], from: Int, until: Int) {
        self.path = path
        self.bytes = bytes
        self.from = from
        self.until = until
    }

    /// Why it is held back at a time in seconds since 1970; `nil` if it is not.
    func flaw(at now: Int) -> String? {
        if until > 0, until <= now {
            let end = TLSCertificate.Time(secondsSince1970: until)
            return "stapledResponse \"\(path)\" expired on \(end), and is held back"
        }
        if now + Self.tolerance < from {
            let start = TLSCertificate.Time(secondsSince1970: from)
            return "stapledResponse \"\(path)\" is not valid before \(start), and is held back"
        }
        return nil
    }

    /// Whether nobody has asked before.
    func isFirstReport() -> Bool {
        isReported.withLock { isReported in
            defer { isReported = true }
            return !isReported
        }
    }
}

/// Sends an OCSP response with the certificate that it is about.
let stapleResponse: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { ssl, _ in
    guard let transport = TLSTransport.of(ssl), let response = transport.context.stapledResponse
    else { return SSL_TLSEXT_ERR_NOACK }
    if let flaw = response.flaw(at: transport.context.settings.now()) {
        if response.isFirstReport() {
            transport.origin.logger.warning(
                "TLS configuration",
                metadata: ["endpoint": "\(transport.origin.endpoint)", "warning": "\(flaw)"]
            )
        }
        return SSL_TLSEXT_ERR_NOACK
    }
    let bytes = response.bytes
    return endpoints_ssl_set_status(ssl, bytes, bytes.count) == 1
        ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK
}
