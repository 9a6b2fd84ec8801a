import EndpointStrings
import EndpointsCore
import EndpointsNet

/// Whom to trust: the certificates at which a chain may end.
public enum TrustRoots: Sendable, Hashable {
    /// Those of the system, as OpenSSL finds them; `SSL_CERT_FILE` and `SSL_CERT_DIR` are heeded.
    case system
    /// A PEM file, or a directory of them: what is there when it is read decides.
    case path(String)
    /// Every certificate of a PEM file.
    case file(String)
    /// Every certificate of the PEM files in a directory.
    ///
    /// Files whose names end in `.pem`, `.crt` or `.cer`, or are hashes (`xxxxxxxx.0`).
    case directory(String)
    /// Nobody is checked: whoever can reach the connection can read and change what passes.
    ///
    /// Neither the chain nor the name of the peer is looked at. There is no way to say this in a
    /// string.
    case insecurelyTrustsAnybody
}
