import CEndpoints

/// A process that is started with sockets: its command, and the environment that names them.
struct Successor {
    let program: String
    let arguments: [String]
    let sockets: [(name: String, descriptor: Int32)]
    let readyPipe: Int32
    let variable: String
    /// The names of those sockets that systemd holds for as long as the successor runs.
    let heldNames: [String]
    let heldNamesVariable: String

    /// Starts it; its number, or -errno.
    func start() -> Int32 {
        var pidText = Array("LISTEN_PID=            ".utf8CString)
        let prefix = "LISTEN_PID=".utf8.count
        let arguments = CStrings([program] + arguments)
        let environment = CStrings(environment(after: currentEnvironment(), of: getpid()))
        let descriptors = sockets.map(\.descriptor) + [readyPipe]
        return pidText.withUnsafeMutableBufferPointer { pidText in
            guard let text = pidText.baseAddress else { return -EINVAL }
            let variables = environment.pointers.dropLast() + [text, nil]
            return program.withCString { program in
                arguments.pointers.withUnsafeBufferPointer { arguments in
                    Array(variables).withUnsafeBufferPointer { variables in
                        descriptors.withUnsafeBufferPointer { descriptors in
                            var successor = endpoints_successor(
                                program: program,
                                arguments: arguments.baseAddress,
                                environment: variables.baseAddress,
                                pid_text: text + prefix,
                                descriptors: descriptors.baseAddress,
                                count: Int32(descriptors.count)
                            )
                            return endpoints_successor_start(&successor)
                        }
                    }
                }
            }
        }
    }

    /// Ours without what was said to us, and what sd_listen_fds(3) names but for the pid, which only
    /// the child knows.
    ///
    /// A watchdog that is ours becomes the successor's: without a pid it is for whoever reads it
    /// (sd_watchdog_enabled(3)).
    ///
    /// - Parameters:
    ///   - entries: The environment of the process that is succeeded.
    ///   - process: Its number.
    /// - Returns: The successor's.
    func environment(after entries: [String], of process: Int32) -> [String] {
        let replaced = [
            "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", variable,
            heldNamesVariable,
        ]
        let kept = entries.filter { entry in
            entry != "WATCHDOG_PID=\(process)"
                && !replaced.contains { entry.hasPrefix("\($0)=") }
        }
        return kept + [
            "LISTEN_FDS=\(sockets.count)",
            "LISTEN_FDNAMES=\(sockets.map(\.name).joined(separator: ":"))",
            "\(variable)=\(3 + sockets.count)",
            "\(heldNamesVariable)=\(heldNames.joined(separator: ":"))",
        ]
    }

    private func currentEnvironment() -> [String] {
        var entries: [String] = []
        var next = endpoints_environment()
        while let entry = next?.pointee {
            entries.append(String(cString: entry))
            next = next?.advanced(by: 1)
        }
        return entries
    }
}

/// Strings as C wants them, with NULL at the end; freed with the object.
private final class CStrings {
    let pointers: [UnsafeMutablePointer<CChar>?]

    init(_ strings: [String]) { pointers = strings.map { strdup($0) } + [nil] }

    deinit { for pointer in pointers { free(pointer) } }
}
