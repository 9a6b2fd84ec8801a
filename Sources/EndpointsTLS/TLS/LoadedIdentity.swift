// A private key, the certificate that fits it, and the chain behind it, in the order in which TLS
// sends them (RFC 8446, section 4.4.2), whatever their order in the files.

import CEndpoints
import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// What an identity's files hold.
struct LoadedIdentity {
    /// How near its end a certificate is worth a word, in seconds.
    static let soon = 14 * 86_400

    let key: PrivateKey
    let leaf: TLSCertificate
    let chain: [TLSCertificate]
    /// The key's, the certificate's, and perhaps the chain's.
    let files: [FileStamp]
    private(set) var warnings: [String] = []
    /// The certificate's file.
    let path: String
    private let argument: String

    /// - Throws: ``TLSFileError``.
    init(
        _ identity: TLSIdentity,
        passphrase: PassphraseProvider?,
        certificateArgument: String
    ) throws {
        let certificateFile = identity.certificate ?? identity.privateKey
        let certificatePEM = try PEMFile(certificateFile, argument: certificateArgument)
        let certificates = try certificatePEM.certificates()
        try passphrase?.requireFile()
        let keyPEM = try PEMFile(identity.privateKey, argument: "privateKey")
        let key = try keyPEM.privateKey(passphrase)
        guard let leaf = certificates.first(where: { key.fits($0) }) else {
            throw TLSFileError(
                argument: "privateKey",
                path: identity.privateKey,
                reason: "the key does not fit the certificate in \"\(certificateFile)\""
            )
        }
        var others = certificates.filter { $0 != leaf }
        var files = [keyPEM.stamp, certificatePEM.stamp]
        if let chain = identity.chain {
            let pem = try PEMFile(chain, argument: "extraCertChain")
            others += try pem.certificates()
            files.append(pem.stamp)
        }
        self.init(
            key,
            leaf,
            others,
            files: files,
            path: certificateFile,
            argument: certificateArgument
        )
    }

    init(
        _ key: PrivateKey,
        _ leaf: TLSCertificate,
        _ others: [TLSCertificate],
        files: [FileStamp],
        path: String,
        argument: String
    ) {
        self.key = key
        self.leaf = leaf
        self.files = files
        self.path = path
        self.argument = argument
        (chain, warnings) = Self.chain(of: leaf, from: others, in: path)
        if let file = files.first, file.isReadableByOthers {
            warnings.append("private key \"\(file.path)\" can be read by everybody")
        }
        let now = TLSCertificate.Time.now
        if leaf.notAfter < now {
            warnings.append("certificate \"\(path)\" expired on \(leaf.notAfter)")
        } else if leaf.notAfter.secondsSince1970 - now.secondsSince1970 < Self.soon {
            warnings.append("certificate \"\(path)\" expires on \(leaf.notAfter)")
        }
        if now < leaf.notBefore {
            warnings.append("certificate \"\(path)\" is not valid before \(leaf.notBefore)")
        }
    }

    package func refusal(_ reason: String) -> TLSFileError {
        TLSFileError(argument: argument, path: path, reason: reason)
    }

    /// Whether a directory holds it.
    var isOfDirectory: Bool { argument == "path" }

    /// Whether it is valid now.
    var isValid: Bool {
        let now = TLSCertificate.Time.now
        return leaf.notBefore <= now && now < leaf.notAfter
    }

    /// Each certificate behind the one that it issued; what belongs to no chain of ours is left out.
    private static func chain(
        of leaf: TLSCertificate,
        from others: [TLSCertificate],
        in path: String
    ) -> ([TLSCertificate], [String]) {
        var chain: [TLSCertificate] = []
        var rest = others
        var last = leaf
        while let index = rest.firstIndex(where: { last.isIssued(by: $0) }), last != rest[index] {
            last = rest.remove(at: index)
            chain.append(last)
        }
        let strangers = rest.filter { $0 != leaf && !chain.contains($0) }
        if strangers.isEmpty { return (chain, []) }
        let names = strangers.prefix(3).map { "\"\($0.subject)\"" }.joined(separator: ", ")
        return (chain, ["certificate \"\(path)\": \(names) is not part of its chain, and not sent"])
    }
}
