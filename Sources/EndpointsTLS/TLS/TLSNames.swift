// Names that only OpenSSL knows, or that go into a packet, in strings: looked at when a string is
// read, so that the error points at them. Where the list has a name it knows, others are left out by
// OpenSSL itself (SSL_CTX_set_cipher_list(3)).

import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Cipher suites of TLS 1.2, whatever the list says without those that prove nothing or hide nothing.
enum CipherList {
    /// - Returns: 1, or 0 if no cipher suite is left.
    static func set(_ list: String, in context: OpaquePointer) -> Int32 {
        SSL_CTX_set_cipher_list(context, list + ":!aNULL:!eNULL")
    }
}

extension EndpointArgumentFormat where Value == String? {
    /// Cipher suites of TLS 1.2.
    static var ciphers: Self {
        known("cipher suites of TLS 1.2", "cipherSuites= takes those of TLS 1.3") { context, text in
            CipherList.set(text, in: context)
        }
    }

    /// Cipher suites of TLS 1.3.
    static var cipherSuites: Self {
        known("cipher suites of TLS 1.3", "ciphers= takes those of TLS 1.2") { context, text in
            SSL_CTX_set_ciphersuites(context, text)
        }
    }

    /// Groups for the key exchange.
    static var groups: Self {
        known("groups, such as X25519 or P-256", nil) { context, text in
            endpoints_ctx_set_groups(context, text)
        }
    }

    private static func known(
        _ expected: String,
        _ hint: String?,
        _ set: @escaping @Sendable (OpaquePointer, String) -> Int32
    ) -> Self {
        EndpointArgumentFormat(
            expected: expected,
            read: { text in
                endpoints_clear_errors()
                defer { ERR_clear_error() }
                // Without memory it is looked at later.
                guard let context = SSL_CTX_new(TLS_method()) else { return text }
                defer { SSL_CTX_free(context) }
                if !text.utf8.contains(0), set(context, text) > 0 { return text }
                throw EndpointArgumentError(
                    "means nothing to OpenSSL",
                    hint: text.hasPrefix("TLS_") == (expected.hasSuffix("1.2")) ? hint : nil
                )
            },
            write: { $0 }
        )
    }
}

extension EndpointArgumentFormat where Value == [String] {
    /// Application protocols (RFC 7301, section 3.1).
    static var protocols: Self {
        var format = [String].argumentFormat
        let read = format.read
        format.expected = "protocols of 1 to 255 bytes, with commas between them"
        format.read = { text in
            let names = try read(text)
            if names.contains(where: { $0.utf8.count > 255 }) { throw EndpointArgumentError() }
            return names
        }
        return format
    }
}
