// Files are read as `connect` and `listen` read them, each for itself so that all that is wrong is
// said at once, and OpenSSL is asked at the end whether it takes the whole. A key log is not opened:
// that would make the file.

import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension TLSClientEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        if let endpoint {
            await list.nested("endpoint", endpoint)
        } else {
            await checkTCP(&list)
        }
        checkTLS(&list)
    }
}

extension SSLClientEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        await checkTCP(&list)
        checkTLS(&list)
    }
}

extension TLSServerEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        if let endpoint {
            await list.nested("endpoint", endpoint)
        } else {
            await list.checkLocal(
                "port",
                interface.isEmpty ? "::" : interface,
                port: port ?? 443,
                options,
                only: HostName.family(ofLiteral: interface) ?? .ipv6
            )
        }
        checkTLS(&list)
    }
}

extension SSLServerEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        let family = HostName.family(ofLiteral: interface) ?? .ipv4
        await list.checkLocal("port", interface, port: port, options, only: family)
        checkTLS(&list)
    }
}

extension TLSConnecting {
    fileprivate func checkTLS(_ list: inout CheckList) {
        let before = list.failureCount
        list.checkRoots("trustRoots", configuration.trustRoots)
        if let certificate = configuration.certificate {
            let files = TLSIdentity(
                privateKey: configuration.privateKey ?? certificate,
                certificate: certificate
            )
            list.checkIdentity(files, configuration.passphrase, "certificate", for: nil)
        }
        list.checkLists(configuration.revocationLists)
        list.checkKeyLog(configuration.keyLog)
        if list.failureCount > before { return }
        var configuration = configuration
        configuration.keyLog = nil
        do {
            _ = try TLSContext.client(configuration)
        } catch let error as TLSFileError {
            list.fail(error.argument, error)
        } catch {
            list.fail("TLS", error)
        }
    }
}

extension TLSListening {
    fileprivate func checkTLS(_ list: inout CheckList) {
        let before = list.failureCount
        var effective = effective
        if let directory = effective.directory {
            list.checkDirectory(directory, effective.passphrase)
        }
        for identity in effective.identities {
            let argument = identity.certificate == nil ? "privateKey" : "certKey"
            list.checkIdentity(identity, effective.passphrase, argument, for: list.serverName)
        }
        if let roots = effective.clientRoots { list.checkRoots("clientRoots", roots) }
        list.checkLists(effective.revocationLists)
        list.checkFile("stapledResponse", effective.stapledResponse)
        list.checkParameters(effective.dhParameters)
        list.checkKeyLog(effective.keyLog)
        if list.failureCount > before { return }
        effective.keyLog = nil
        let keys = TLSTicketKeys(lifetime: effective.ticketKeyLifetime)
        do {
            let generation = try TLSServerGeneration(effective, ticketKeys: keys)
            for conflict in generation.conflicts { list.pass("serverName", "beware: \(conflict)") }
        } catch let error as TLSFileError {
            list.fail(error.argument, error)
        } catch {
            list.fail("TLS", error)
        }
    }
}

extension CheckList {
    fileprivate var failureCount: Int { checks.count { !$0.isOK } }

    fileprivate mutating func checkRoots(_ argument: String, _ roots: TrustRoots) {
        do {
            switch roots {
            case .system:
                X509_STORE_free(try SystemRoots.store())
                pass(argument, "the system's")
            case .insecurelyTrustsAnybody:
                pass(argument, "the peer is not verified")
            case .path(let path), .file(let path), .directory(let path):
                if FileStamp(path).isDirectory {
                    let count = try FileReading.names(in: path, argument: argument).count
                    pass(argument, "\"\(path)\" is a directory with \(count) files")
                } else {
                    let count = try PEMFile(path, argument: argument).certificates().count
                    pass(argument, "\"\(path)\" holds \(count) \(count == 1 ? "root" : "roots")")
                }
            }
        } catch {
            fail(argument, error)
        }
    }

    fileprivate mutating func checkLists(_ files: [String]) {
        for file in files { checkFile("revocationLists", file) }
    }

    fileprivate mutating func checkFile(_ argument: String, _ file: String?) {
        guard let file else { return }
        do {
            _ = try FileReading.bytes(of: file, argument: argument)
            pass(argument, "\"\(file)\" can be read")
        } catch {
            fail(argument, error)
        }
    }

    fileprivate mutating func checkParameters(_ file: String?) {
        guard let file else { return }
        do {
            _ = try PEMFile(file, argument: "dhParameters").dhParameters()
            pass("dhParameters", "\"\(file)\" holds parameters that are strong enough")
        } catch {
            fail("dhParameters", error)
        }
    }

    /// Looks whether the file can be appended to, or made.
    fileprivate mutating func checkKeyLog(_ file: String?) {
        guard let file else { return }
        let directory = absolutePath(file).split(separator: "/").dropLast().joined(separator: "/")
        let beware = "anyone who can read it can decrypt the recorded traffic"
        if let refusal = KeyLogFile.refusal(at: file) {
            fail("keyLog", refusal)
        } else if access(file, W_OK) == 0 {
            pass("keyLog", "\"\(file)\" is there; \(beware)")
        } else if errno == ENOENT, access("/\(directory)", W_OK | X_OK) == 0 {
            pass("keyLog", "\"\(file)\" can be made; \(beware)")
        } else {
            fail("keyLog", "\"\(file)\": \(SystemError(errno: errno))")
        }
    }

    /// Looks whether a key and its certificate fit, and at the certificate's dates and names.
    fileprivate mutating func checkIdentity(
        _ identity: TLSIdentity,
        _ passphrase: PassphraseProvider?,
        _ argument: String,
        for host: String?
    ) {
        let loaded: LoadedIdentity
        do {
            loaded = try LoadedIdentity(
                identity,
                passphrase: passphrase,
                certificateArgument: argument
            )
        } catch {
            fail((error as? TLSFileError)?.argument ?? argument, error)
            return
        }
        let file = identity.certificate ?? identity.privateKey
        var note = ""
        if FileStamp(identity.privateKey).isReadableByOthers {
            note = "; beware: everybody can read the key"
        }
        pass("privateKey", "\"\(identity.privateKey)\" fits the certificate in \"\(file)\"\(note)")
        checkDates(argument, loaded.leaf)
        checkNames(argument, [loaded.leaf], host)
    }

    fileprivate mutating func checkDirectory(_ path: String, _ passphrase: PassphraseProvider?) {
        do {
            let directory = try CertificateDirectory(path, passphrase: passphrase)
            let leaves = directory.identities.map(\.leaf)
            pass("path", "\"\(path)\" holds \(leaves.count) certificates with their keys")
            for leaf in leaves { checkDates("path", leaf) }
            for key in directory.identities.compactMap(\.files.first) where key.isReadableByOthers {
                pass("path", "beware: everybody can read the key \"\(key.path)\"")
            }
            for warning in directory.warnings { fail("path", warning) }
            checkNames("path", leaves, serverName)
        } catch {
            fail("path", error)
        }
    }

    private mutating func checkDates(_ argument: String, _ leaf: TLSCertificate) {
        let now = TLSCertificate.Time.now
        let subject = "the certificate \"\(leaf.subject)\""
        if leaf.notAfter < now {
            fail(argument, "\(subject) expired on \(leaf.notAfter)")
        } else if now < leaf.notBefore {
            fail(argument, "\(subject) is not valid before \(leaf.notBefore)")
        } else {
            let left = leaf.notAfter.secondsSince1970 - now.secondsSince1970
            let days = left / 86_400
            let hint = left < LoadedIdentity.soon ? "; that is soon, renew it" : ""
            let span = days == 1 ? "1 day" : "\(days) days"
            pass(argument, "\(subject) is valid until \(leaf.notAfter), for \(span)\(hint)")
        }
    }

    private mutating func checkNames(
        _ argument: String,
        _ leaves: [TLSCertificate],
        _ host: String?
    ) {
        let names = leaves.flatMap(\.names)
        let shown = names.isEmpty ? "no name" : names.joined(separator: ", ")
        guard let host else {
            if !names.isEmpty { pass(argument, "it is for \(shown)") }
            return
        }
        if leaves.contains(where: { $0.isFor(host) }) {
            pass(argument, "it is for \(host)")
        } else {
            fail(argument, "it is for \(shown), not for \(host)")
        }
    }
}

extension TLSCertificate {
    /// Whether a client that asks for the host accepts its name (RFC 9525).
    fileprivate func isFor(_ host: String) -> Bool {
        guard let name = try? ServerName(host) else { return false }
        ERR_clear_error()
        defer { ERR_clear_error() }
        if name.isAddress { return X509_check_ip_asc(pointer, name.text, 0) == 1 }
        return X509_check_host(pointer, name.text, 0, ENDPOINTS_HOST_FLAGS, nil) == 1
    }
}
