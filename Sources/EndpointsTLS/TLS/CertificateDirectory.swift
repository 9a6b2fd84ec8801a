// A directory of PEM files, as Twisted's `tls:` has it: keys are matched to certificates by their
// public keys, chains are put together by issuer, and the client's name chooses. Of several
// certificates for a name the one that is valid, and then the newest, comes first.
//
// Whoever replaces a pair replaces one file after the other. What is found in between fits nothing, so
// until both files are there, or neither, the pair that was read before stays.

import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

/// The identities that a directory holds.
struct CertificateDirectory {
    private static let deepest = 8
    private static let mostFiles = 10_000

    private(set) var identities: [LoadedIdentity] = []
    private(set) var warnings: [String] = []
    private(set) var stamps: [FileStamp] = []
    private let root: String
    private var visited: [FileStamp] = []

    /// - Parameters:
    ///   - root: Its path.
    ///   - passphrase: What opens encrypted keys.
    ///   - earlier: What it held when it was read before.
    /// - Throws: ``TLSFileError`` if it cannot be read, or holds no key with its certificate.
    init(
        _ root: String,
        passphrase: PassphraseProvider?,
        earlier: [LoadedIdentity] = []
    ) throws {
        self.root = root
        try passphrase?.requireFile()
        var files: [FileStamp] = []
        try collect(FileStamp(root), depth: 0, into: &files)
        var certificates: [(certificate: TLSCertificate, file: FileStamp)] = []
        var keys: [(key: PrivateKey, file: FileStamp)] = []
        for file in files { read(file, passphrase, &certificates, &keys) }
        for (key, file) in keys {
            let fitting = certificates.filter { key.fits($0.certificate) }
            if fitting.isEmpty {
                warnings.append("no certificate in \"\(root)\" fits the key \"\(file.path)\"")
            }
            let all = certificates.map(\.certificate)
            for (leaf, leafFile) in fitting {
                let identity = LoadedIdentity(
                    key,
                    leaf,
                    Self.issuers(of: leaf, among: all),
                    files: [file, leafFile],
                    path: leafFile.path,
                    argument: "path"
                )
                identities.append(identity)
            }
        }
        if identities.isEmpty {
            throw TLSFileError(
                argument: "path",
                path: root,
                reason: "its .pem files hold no private key with a certificate for it"
            )
        }
        keepHalves(of: earlier)
        identities = Self.bestFirst(identities)
    }

    /// Keeps each pair of which a file is still there, and makes no pair.
    private mutating func keepHalves(of earlier: [LoadedIdentity]) {
        let found = identities
        for identity in earlier where !found.contains(where: { $0.leaf == identity.leaf }) {
            // The certificate's file decides: a key may have several.
            let files = identity.files.reversed().map { FileStamp($0.path) }
            guard let left = files.first(where: \.exists) else { continue }
            let isUsed = found.contains { $0.files.contains { $0.path == left.path } }
            if isUsed { continue }
            identities.append(identity)
            warnings.append(
                "\"\(left.path)\" is half of a pair; the one before stays, with the certificate"
                    + " \"\(identity.leaf.subject)\""
            )
        }
    }

    private mutating func collect(
        _ directory: FileStamp,
        depth: Int,
        into files: inout [FileStamp]
    ) throws {
        // A link may lead back up.
        if visited.contains(where: directory.isSameFile) { return }
        visited.append(directory)
        stamps.append(directory)
        for name in try FileReading.names(in: directory.path, argument: "path") {
            let stamp = FileStamp("\(directory.path)/\(name)")
            if stamp.isDirectory {
                if depth < Self.deepest { try collect(stamp, depth: depth + 1, into: &files) }
            } else if name.asciiLowercased.hasSuffix(".pem"), files.count < Self.mostFiles {
                stamps.append(stamp)
                files.append(stamp)
            }
        }
    }

    private mutating func read(
        _ file: FileStamp,
        _ passphrase: PassphraseProvider?,
        _ certificates: inout [(certificate: TLSCertificate, file: FileStamp)],
        _ keys: inout [(key: PrivateKey, file: FileStamp)]
    ) {
        do {
            let pem = try PEMFile(file.path, argument: "path")
            if pem.holdsPrivateKey { keys.append((try pem.privateKey(passphrase), file)) }
            for certificate in (try? pem.certificates()) ?? []
            where !certificates.contains(where: { $0.certificate == certificate }) {
                certificates.append((certificate, file))
            }
        } catch let error as TLSFileError {
            warnings.append("\"\(error.path)\": \(error.reason); left out")
        } catch {
            warnings.append("\"\(file.path)\": \(error); left out")
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
