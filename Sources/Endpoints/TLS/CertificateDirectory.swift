// A directory of PEM files, as Twisted's `tls:` has it: keys are matched to certificates by their
// public keys, chains are put together by issuer, and the client's name chooses. Of several
// certificates for a name the one that is valid, and then the newest, comes first.

import COpenSSL

/// The identities that a directory holds.
struct CertificateDirectory {
    private static let deepest = 8
    private static let mostFiles = 10_000

    private(set) var identities: [LoadedIdentity] = []
    private(set) var warnings: [String] = []
    private(set) var stamps: [FileStamp] = []
    private let root: String

    /// - Throws: ``TLSFileError`` if it cannot be read, or holds no key with its certificate.
    init(_ root: String, passphrase: PassphraseProvider?) throws {
        self.root = root
        var files: [String] = []
        try collect(root, depth: 0, into: &files)
        var certificates: [(certificate: TLSCertificate, file: String)] = []
        var keys: [(key: PrivateKey, file: String)] = []
        for file in files { read(file, passphrase, &certificates, &keys) }
        for (key, file) in keys {
            let fitting = certificates.filter { key.fits($0.certificate) }
            if fitting.isEmpty {
                warnings.append("no certificate in \"\(root)\" fits the key \"\(file)\"")
            }
            let all = certificates.map(\.certificate)
            for (leaf, leafFile) in fitting {
                let identity = LoadedIdentity(
                    key,
                    leaf,
                    Self.issuers(of: leaf, among: all),
                    files: [],
                    path: leafFile,
                    argument: "path"
                )
                identities.append(identity)
            }
        }
        identities = Self.bestFirst(identities)
        if identities.isEmpty {
            throw TLSFileError(
                argument: "path",
                path: root,
                reason: "its .pem files hold no private key with a certificate for it"
            )
        }
    }

    private mutating func collect(_ path: String, depth: Int, into files: inout [String]) throws {
        stamps.append(FileStamp(path))
        for name in try FileReading.names(in: path, argument: "path") {
            let entry = "\(path)/\(name)"
            let stamp = FileStamp(entry)
            if stamp.isDirectory {
                if depth < Self.deepest { try collect(entry, depth: depth + 1, into: &files) }
            } else if name.asciiLowercased.hasSuffix(".pem"), files.count < Self.mostFiles {
                stamps.append(stamp)
                files.append(entry)
            }
        }
    }

    private mutating func read(
        _ file: String,
        _ passphrase: PassphraseProvider?,
        _ certificates: inout [(certificate: TLSCertificate, file: String)],
        _ keys: inout [(key: PrivateKey, file: String)]
    ) {
        do {
            let pem = try PEMFile(file, argument: "path")
            if pem.holdsPrivateKey { keys.append((try pem.privateKey(passphrase), file)) }
            for certificate in (try? pem.certificates()) ?? []
            where !certificates.contains(where: { $0.certificate == certificate }) {
                certificates.append((certificate, file))
            }
        } catch let error as TLSFileError {
            warnings.append("\"\(error.path)\": \(error.reason); left out")
        } catch {
            warnings.append("\"\(file)\": \(error); left out")
        }
    }

    /// The certificates above one, so that no other chain's count as strangers.
    private static func issuers(
        of leaf: TLSCertificate,
        among all: [TLSCertificate]
    ) -> [TLSCertificate] {
        var chain: [TLSCertificate] = []
        var last = leaf
        while let issuer = all.first(where: { last.isIssued(by: $0) && $0 != last }),
            !chain.contains(issuer)
        {
            chain.append(issuer)
            last = issuer
        }
        return chain
    }

    private static func bestFirst(_ identities: [LoadedIdentity]) -> [LoadedIdentity] {
        let sorted = identities.enumerated().sorted { left, right in
            if left.element.isValid != right.element.isValid { return left.element.isValid }
            let (a, b) = (left.element.leaf.notBefore, right.element.leaf.notBefore)
            return a == b ? left.offset < right.offset : a > b
        }
        return sorted.map(\.element)
    }
}
