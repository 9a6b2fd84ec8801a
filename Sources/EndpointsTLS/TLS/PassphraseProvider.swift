import EndpointStrings
import EndpointsCore
import EndpointsNet

/// What gives the passphrase of a private key.
public struct PassphraseProvider: Sendable {
    let provide: @Sendable () throws -> [UInt8]
    /// The file, if it comes from one.
    let path: String?

    /// Makes one that calls `provide` whenever a key is read.
    ///
    /// - Parameter provide: Gives the bytes of the passphrase; what it throws refuses the key.
    public init(_ provide: @escaping @Sendable () throws -> [UInt8]) {
        self.provide = provide
        path = nil
    }

    /// Makes one that reads the first line of a file.
    public static func file(_ path: String) -> PassphraseProvider {
        PassphraseProvider(path: path)
    }

    /// Refuses a file that cannot be read, though no key may need it.
    ///
    /// - Throws: ``TLSFileError``.
    func requireFile() throws {
        guard let path else { return }
        _ = try FileReading.secretBytes(of: path, argument: "passphraseFile")
    }

    private init(path: String) {
        self.path = path
        provide = {
            try FileReading.secretBytes(of: path, argument: "passphraseFile").firstLine
        }
    }
}
