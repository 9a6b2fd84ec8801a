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
    private var visited: Set<FileStamp.Identity> = []

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
        var certificates = Certificates()
        var keys: [(key: PrivateKey, file: FileStamp)] = []
        for file in files { read(file, passphrase, &certificates, &keys) }
        for (key, file) in keys {
            let fitting = certificates.fitting(key)
            if fitting.isEmpty {
                warnings.append("no certificate in \"\(root)\" fits the key \"\(file.path)\"")
            }
            for (leaf, leafFile) in fitting {
                let identity = LoadedIdentity(
                    key,
                    leaf,
                    certificates.issuers(of: leaf),
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
        let leaves = Set(identities.map(\.leaf))
        let used = Set(identities.flatMap(\.files).map(\.path))
        for identity in earlier where !leaves.contains(identity.leaf) {
            // The certificate's file decides: a key may have several.
            let files = identity.files.reversed().map { FileStamp($0.path) }
            guard let left = files.first(where: \.exists) else { continue }
            if used.contains(left.path) { continue }
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
        if !visited.insert(directory.identity).inserted { return }
        stamps.append(directory)
        for name in try FileReading.names(in: directory.path, argument: "path") {
            let stamp = FileStamp("\(directory.path)/\(name)")
            if stamp.isDirectory {
                if depth < Self.deepest { try collect(stamp, depth: depth + 1, into: &files) }
            } else if name.asciiLowercased.hasSuffix(".pem") {
                guard files.count < Self.mostFiles else {
                    warnings.append(
                        "\"\(root)\" holds more than \(Self.mostFiles) files; the rest is left out"
                    )
                    return
                }
                stamps.append(stamp)
                files.append(stamp)
            }
        }
    }

    private mutating func read(
        _ file: FileStamp,
        _ passphrase: PassphraseProvider?,
        _ certificates: inout Certificates,
        _ keys: inout [(key: PrivateKey, file: FileStamp)]
    ) {
        do {
            let pem = try PEMFile(file.path, argument: "path")
            if pem.holdsPrivateKey { keys.append((try pem.privateKey(passphrase), file)) }
            for certificate in (try? pem.certificates()) ?? [] {
                certificates.add(certificate, file)
            }
        } catch let error as TLSFileError {
            warnings.append("\"\(error.path)\": \(error.reason); left out")
        } catch {
            warnings.append("\"\(file.path)\": \(error); left out")
        }
    }

    private static func bestFirst(_ identities: [LoadedIdentity]) -> [LoadedIdentity] {
        let ranked = identities.enumerated().map { offset, identity in
            (identity, isValid: identity.isValid, start: identity.leaf.notBefore, offset: offset)
        }
        let sorted = ranked.sorted { left, right in
            if left.isValid != right.isValid { return left.isValid }
            return left.start == right.start ? left.offset < right.offset : left.start > right.start
        }
        return sorted.map(\.0)
    }
}

/// The certificates of a directory, found by key and by subject: comparing each with each takes
/// half a minute where there are some thousand.
private struct Certificates {
    private var all: [(certificate: TLSCertificate, file: FileStamp)] = []
    private var known: Set<TLSCertificate> = []
    private var byKey: [[UInt8]: [Int]] = [:]
    private var bySubject: [UInt: [Int]] = [:]

    /// Adds a certificate that is not there yet.
    mutating func add(_ certificate: TLSCertificate, _ file: FileStamp) {
        guard known.insert(certificate).inserted else { return }
        byKey[certificate.keyDigest, default: []].append(all.count)
        bySubject[certificate.subjectHash, default: []].append(all.count)
        all.append((certificate, file))
    }

    func fitting(_ key: PrivateKey) -> [(certificate: TLSCertificate, file: FileStamp)] {
        (byKey[key.digest] ?? []).map { all[$0] }.filter { key.fits($0.certificate) }
    }

    /// The certificates above one, so that no other chain's count as strangers.
    func issuers(of leaf: TLSCertificate) -> [TLSCertificate] {
        var chain: [TLSCertificate] = []
        var last = leaf
        while let issuer = issuer(of: last), !chain.contains(issuer) {
            chain.append(issuer)
            last = issuer
        }
        return chain
    }

    private func issuer(of certificate: TLSCertificate) -> TLSCertificate? {
        let candidates = (bySubject[certificate.issuerHash] ?? []).lazy.map { all[$0].certificate }
        return candidates.first { certificate.isIssued(by: $0) && $0 != certificate }
    }
}
