// What a configuration's files hold besides its own certificates. A server has a context for each of its
// certificates, perhaps thousands; each of these files is read once for all of them.

import COpenSSL
import EndpointsCore

/// What the contexts of a configuration share.
struct TLSSharedFiles {
    let trust: TrustStore?
    let keyLog: KeyLogFile?
    private(set) var dhParameters: PrivateKey?
    private(set) var staple: StapleFile?
    private(set) var files: [FileStamp] = []
    private(set) var warnings: [String] = []

    /// - Throws: ``TLSFileError``.
    init(_ settings: TLSSettings) throws {
        try settings.refuseIdleChecks()
        trust = settings.verifiesChain ? try TrustStore(settings) : nil
        keyLog = try settings.keyLog.map(KeyLogFile.init)
        files += trust?.files ?? []
        warnings += trust?.warnings ?? []
        if let path = settings.keyLog {
            warnings.append("secrets of all connections are written to \(path)")
        }
    }

    /// - Throws: ``TLSFileError``.
    init(_ configuration: TLSServerConfiguration) throws {
        try configuration.refuseIdleChecks()
        try self.init(configuration.settings)
        if let path = configuration.dhParameters {
            let pem = try PEMFile(path, argument: "dhParameters")
            dhParameters = try pem.dhParameters()
            files.append(pem.stamp)
        }
        if let path = configuration.stapledResponse {
            let file = try StapleFile(path)
            staple = file
            files.append(file.stamp)
        }
    }
}
