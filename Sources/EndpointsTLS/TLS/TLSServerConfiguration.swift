// What a server wants of TLS, as a value. What was read from files is kept beside it and shared by
// its copies, so that `reload()` reaches whoever uses the configuration, and so that ticket keys
// outlive the certificates.

import EndpointStrings
import EndpointsCore
import EndpointsNet

/// How a server speaks TLS: secure unless told otherwise.
///
/// Files are read when an endpoint begins to listen, or when the first connection is upgraded, and
/// again by ``reload()``. Copies share what was read until one of their properties is changed.
public struct TLSServerConfiguration: Sendable {
    /// Keys and certificates; the first serves clients that ask for no name, or for an unknown one.
    public var identities: [TLSIdentity] { didSet { renew() } }
    /// A directory of PEM files with more of them, each key matched to its certificate; `nil` for none.
    ///
    /// All files whose names end in `.pem`, also in directories below.
    /// When they are read again, a pair of which only half is there, or fits, stays what it was, with a
    /// warning.
    public var directory: String? { didSet { renew() } }
    /// Gives the passphrase of encrypted keys; never asked for on a terminal.
    public var passphrase: PassphraseProvider? { didSet { renew() } }
    /// Protocols to accept, the best first (ALPN); a client that offers none of them is refused.
    public var applicationProtocols: [String] = [] { didSet { renew() } }
    /// The oldest version to speak.
    public var minimumVersion: TLSVersion = .tls12 { didSet { renew() } }
    /// The newest version to speak; `nil` for the newest there is.
    public var maximumVersion: TLSVersion? { didSet { renew() } }
    /// Cipher suites of TLS 1.2, in OpenSSL's words (openssl-ciphers(1)); `nil` for ECDHE with AEAD.
    public var ciphers: String? { didSet { renew() } }
    /// Cipher suites of TLS 1.3; `nil` for OpenSSL's own choice.
    public var cipherSuites: String? { didSet { renew() } }
    /// Groups for the key exchange, such as `X25519:P-256`; `nil` for OpenSSL's own choice.
    public var groups: String? { didSet { renew() } }
    /// A PEM file with parameters for DHE, which TLS 1.2 then speaks, too; at least 2048 bits.
    public var dhParameters: String? { didSet { renew() } }
    /// Whether clients are asked for certificates.
    public var clientCertificate: ClientCertificateRequest = .none { didSet { renew() } }
    /// Who may vouch for clients; needed unless `clientCertificate` is `none`.
    public var clientRoots: TrustRoots? { didSet { renew() } }
    /// PEM files of revocation lists; with any, every certificate of a client's chain needs one.
    public var revocationLists: [String] = [] { didSet { renew() } }
    /// Looks at a client's chain that is trusted so far; throwing refuses it.
    ///
    /// Called on the event loop, in the middle of the handshake, and again before a session is resumed;
    /// if it throws then, a full handshake takes its place. With ``TrustRoots/insecurelyTrustsAnybody``
    /// it gets the client's own certificate only, which nothing has verified.
    public var verification: (@Sendable ([TLSCertificate]) throws -> Void)? { didSet { renew() } }
    /// Whether a client that asks for an unknown name is refused, instead of served the first.
    public var refusesUnknownNames = false { didSet { renew() } }
    /// How many session tickets a client gets from a full handshake; 0 resumes none.
    ///
    /// Each connection that resumes brings one more. A client that uses a ticket only once
    /// (RFC 8446, appendix C.4) and then opens several connections at a time resumes as many as it has
    /// tickets; each costs a server some 7 % of the instructions of a handshake.
    public var ticketCount = 1 { didSet { renew() } }
    /// Time limit for resuming a session, counted from its full handshake.
    ///
    /// Defaults to two hours, or five minutes where clients are asked for certificates; seven days at
    /// most. The tickets that resumed connections bring do not extend it. A session also
    /// ends when the first certificate or revocation list of the client's chain expires. Resuming does
    /// not look at signatures again.
    public var ticketLifetime: Duration? { didSet { renew() } }
    /// After how long the keys that seal tickets are replaced.
    public var ticketKeyLifetime: Duration = .seconds(12 * 3600) { didSet { renew() } }
    /// A file with an OCSP response (DER) to staple; `nil` for none.
    ///
    /// It is sent with the certificate that it is about, and held back, with a warning, once it has
    /// expired.
    public var stapledResponse: String? { didSet { renew() } }
    /// Whether an end without close_notify counts as an end; only for protocols that know their length.
    public var toleratesTruncation = false { didSet { renew() } }
    /// A file to append the secrets of all connections to (`SSLKEYLOGFILE`).
    ///
    /// Anyone who can read it can decrypt the recorded traffic. It must be a regular file of this user's
    /// that nobody else may read or write (mode 0600), not a symbolic link; it is made if it is not there.
    public var keyLog: String? { didSet { renew() } }
    /// How often a listener looks whether the files have changed; `nil` for never.
    public var reloadInterval: Duration? { didSet { renew() } }
    /// How long a handshake may take.
    public var handshakeTimeout: Duration = .seconds(10)

    /// The time, in seconds since 1970.
    var now: @Sendable () -> Int = { TLSCertificate.Time.now.secondsSince1970 }
    private(set) var state = TLSServerState()

    /// Makes a configuration with one certificate: TLS 1.2 and up.
    ///
    /// - Parameters:
    ///   - privateKey: A PEM file with the private key.
    ///   - certificate: A PEM file with the certificate and its chain; the key's own unless told.
    public init(privateKey: String, certificate: String? = nil) {
        identities = [TLSIdentity(privateKey: privateKey, certificate: certificate)]
    }

    /// Makes a configuration of the keys and certificates in a directory, chosen by server name.
    ///
    /// - Parameter directory: Where the PEM files are.
    public init(directory: String) {
        identities = []
        self.directory = directory
    }

    /// Reads all files again: connections made from now on use what they hold.
    ///
    /// Nothing happens to connections and listeners that exist. On an error all stays as it was. Blocks
    /// while it reads; on an event loop, call it in a detached task. Of two calls at once, what the one
    /// that began later has read stays.
    ///
    /// - Throws: ``EndpointError``, which names the file and what is wrong with it.
    public func reload() throws {
        do { try state.load(self) } catch let error as TLSFileError {
            throw error.endpointError(operation: "reload", endpoint: nil)
        }
    }

    private mutating func renew() { state = TLSServerState() }

    var settings: TLSSettings {
        TLSSettings(
            minimumVersion: minimumVersion,
            maximumVersion: maximumVersion,
            ciphers: ciphers,
            cipherSuites: cipherSuites,
            groups: groups,
            applicationProtocols: applicationProtocols,
            trustRoots: clientCertificate == .none ? nil : clientRoots,
            trustArgument: "clientRoots",
            revocationLists: revocationLists,
            isStrict: false,
            pins: [],
            verification: verification,
            toleratesTruncation: toleratesTruncation,
            keyLog: keyLog,
            sessionLifetime: TLSSettings.sessionLifetime(
                ticketLifetime ?? .seconds(clientCertificate == .none ? 7200 : 300)
            ),
            now: now
        )
    }
}
