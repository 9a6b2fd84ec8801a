// What a client wants of TLS, as a value. The context that OpenSSL needs is made when it is first
// used and kept with the value, for making it reads files, and it holds the sessions to resume. So a
// value that is kept resumes; one with a property changed begins anew.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop
import Logging

/// How a client speaks TLS: secure unless told otherwise.
///
/// Files are read when a connection is made, and again when they have changed.
public struct TLSClientConfiguration: Sendable {
    /// Whom to trust: the system's roots unless told.
    public var trustRoots: TrustRoots { didSet { renew() } }
    /// A PEM file with our certificate, and the chain behind it; `nil` for none.
    public var certificate: String? { didSet { renew() } }
    /// A PEM file with the key of `certificate`; the same file unless told.
    public var privateKey: String? { didSet { renew() } }
    /// Gives the passphrase of an encrypted key; never asked for on a terminal.
    public var passphrase: PassphraseProvider? { didSet { renew() } }
    /// Protocols to offer, the best first (ALPN, RFC 7301).
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
    /// PEM files of revocation lists; with any, every certificate of a chain needs a valid one.
    public var revocationLists: [String] = [] { didSet { renew() } }
    /// Public keys of which the peer's chain must hold one, besides being trusted; empty for any.
    ///
    /// With ``TrustRoots/insecurelyTrustsAnybody`` the peer's own certificate must have the key, which
    /// then alone tells who the peer is: the way to a device with a self-signed certificate.
    public var pins: [TLSPin] = [] { didSet { renew() } }
    /// Looks at a chain that is trusted so far; throwing refuses it, with the reason in the error.
    ///
    /// Called on the event loop, in the middle of the handshake, and again before a session is resumed;
    /// if it throws then, a full handshake takes its place. With ``TrustRoots/insecurelyTrustsAnybody``
    /// it gets the peer's own certificate only, which nothing has verified.
    public var verification: (@Sendable ([TLSCertificate]) throws -> Void)? { didSet { renew() } }
    /// Whether certificates that break RFC 5280 are refused even where that does no harm.
    public var isStrict = false { didSet { renew() } }
    /// Whether to ask for a stapled OCSP response, and refuse a peer that staples a bad one.
    ///
    /// A certificate that demands a response (RFC 7633) is refused without one.
    public var checksStapledResponse = false { didSet { renew() } }
    /// Whether sessions are resumed, each ticket of TLS 1.3 once (RFC 8446, appendix C.4).
    public var resumesSessions = true { didSet { renew() } }
    /// Time limit for resuming a session, counted from its full handshake.
    ///
    /// Defaults to two hours; seven days at most. A session also ends with the first certificate of the server's chain.
    public var ticketLifetime: Duration = .seconds(7200) { didSet { renew() } }
    /// Whether an end without close_notify counts as an end; only for protocols that know their length.
    public var toleratesTruncation = false { didSet { renew() } }
    /// A file to append the secrets of all connections to (`SSLKEYLOGFILE`).
    ///
    /// Anyone who can read it can decrypt the recorded traffic. It must be a regular file of this user's
    /// that nobody else may read or write (mode 0600), not a symbolic link; it is made if it is not there.
    public var keyLog: String? { didSet { renew() } }

    /// The time, in seconds since 1970.
    var now: @Sendable () -> Int = { TLSCertificate.Time.now.secondsSince1970 }
    private(set) var cache = TLSClientCache()

    /// Makes a configuration: TLS 1.2 and up, the peer verified.
    ///
    /// - Parameter trustRoots: Whom to trust.
    public init(trustRoots: TrustRoots = .system) {
        self.trustRoots = trustRoots
    }

    private mutating func renew() { cache = TLSClientCache() }

    var settings: TLSSettings {
        TLSSettings(
            minimumVersion: minimumVersion,
            maximumVersion: maximumVersion,
            ciphers: ciphers,
            cipherSuites: cipherSuites,
            groups: groups,
            applicationProtocols: applicationProtocols,
            trustRoots: trustRoots,
            trustArgument: "trustRoots",
            revocationLists: revocationLists,
            isStrict: isStrict,
            pins: pins,
            verification: verification,
            toleratesTruncation: toleratesTruncation,
            keyLog: keyLog,
            sessionLifetime: TLSSettings.sessionLifetime(ticketLifetime),
            now: now
        )
    }

    /// The context, made anew if a file has changed since.
    ///
    /// - Throws: ``TLSFileError``.
    func context(logger: Logger) throws -> TLSContext {
        try cache.context {
            let context = try TLSContext.client(self)
            for warning in context.warnings {
                logger.warning("TLS configuration", metadata: ["warning": "\(warning)"])
            }
            return context
        }
    }
}

/// A client's context and the state of the files that it was made of.
final class TLSClientCache: Sendable {
    private struct State {
        var context: TLSContext?
    }
    private let state = Lock(State())

    func context(_ make: () throws -> TLSContext) throws -> TLSContext {
        if let context = state.withLock({ $0.context }), context.isFresh { return context }
        let made = try make()
        state.withLock { $0.context = made }
        return made
    }
}
