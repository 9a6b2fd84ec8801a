// `sslmethod`, as old strings have it: the name of an OpenSSL method.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Versions of TLS by the name of a method of pyOpenSSL.
enum TLSMethod: String, Sendable, Hashable {
    case any = "TLS_METHOD"
    case anyByItsOldName = "SSLv23_METHOD"
    case only12 = "TLSv1_2_METHOD"
    case only13 = "TLSv1_3_METHOD"

    var minimum: TLSVersion { self == .only13 ? .tls13 : .tls12 }
    var maximum: TLSVersion? { self == .only12 ? .tls12 : nil }
}

extension TLSMethod: EndpointArgumentValue {
    private static let obsolete = [
        "SSLv2_METHOD", "SSLv3_METHOD", "TLSv1_METHOD", "TLSv1_1_METHOD",
    ]

    static var argumentFormat: EndpointArgumentFormat<TLSMethod> {
        let choices = ["TLS_METHOD", "SSLv23_METHOD", "TLSv1_2_METHOD", "TLSv1_3_METHOD"]
        return EndpointArgumentFormat(
            expected: "one of \(choices.joined(separator: ", "))",
            choices: choices,
            read: { text in
                if let method = TLSMethod(rawValue: text) { return method }
                if obsolete.contains(text) {
                    throw EndpointArgumentError(
                        "is obsolete and insecure",
                        hint: "use TLS_METHOD or TLSv1_2_METHOD"
                    )
                }
                throw EndpointArgumentError()
            },
            // Both names of the first mean what leaving it out does.
            write: { $0 == .any || $0 == .anyByItsOldName ? nil : $0.rawValue }
        )
    }
}

extension EndpointArgumentFormat where Value == TrustRoots {
    /// A file or a directory of PEM certificates; which it is shows when it is read.
    static var path: Self {
        EndpointArgumentFormat(
            expected: "a file or a directory of PEM certificates",
            read: { .path($0) },
            write: { roots in
                switch roots {
                case .path(let path), .file(let path), .directory(let path): path
                case .system, .insecurelyTrustsAnybody: nil
                }
            }
        )
    }
}

extension EndpointArgumentFormat where Value == PassphraseProvider? {
    /// A file whose first line is the passphrase.
    static var passphraseFile: Self {
        EndpointArgumentFormat(
            expected: "a file whose first line is the passphrase",
            read: { .file($0) },
            write: { $0?.path }
        )
    }
}
