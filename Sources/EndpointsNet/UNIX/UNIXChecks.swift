// Who listens at a path is asked of /proc/net/unix (proc(5)), not of the socket: a connection would be
// a client to whoever serves there. The kernel lists the sockets of this network namespace only.

import CEndpoints
import EndpointStrings
import EndpointsCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension UNIXClientEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        let address = SocketAddress(path: path)
        let listens = UNIXTable().hasListener(at: address)
        if address.isAbstract {
            if listens {
                pass(&list, "a server listens at \(address)")
            } else {
                list.fail("path", "nobody listens at \(address)")
            }
            return
        }
        var file = endpoints_file()
        let result = endpoints_lstat(path, &file)
        var status = stat()
        if result != 0 || stat(path, &status) != 0 {
            let code = result != 0 ? -result : errno
            list.fail("path", "\"\(path)\": \(SystemError(errno: code))")
        } else if status.st_mode & S_IFMT != S_IFSOCK {
            list.fail("path", "\"\(path)\" is no socket")
        } else if access(path, W_OK) != 0 {
            list.fail("path", "\"\(path)\" may not be connected to: \(SystemError(errno: errno))")
        } else {
            let note = listens ? "" : "; nobody in this network namespace listens there"
            pass(&list, "\"\(path)\" is a socket that may be connected to\(note)")
        }
        if checkPID {
            let lock = UNIXLockFile(forSocket: path)
            if lock.isHeld() {
                list.pass("checkPID", "the process that \(lock.path) names runs")
            } else {
                list.fail("checkPID", "no running process holds the lock file \(lock.path)")
            }
        }
    }

    private func pass(_ list: inout CheckList, _ message: String) { list.pass("path", message) }
}

extension UNIXServerEndpoint: CheckableEndpoint {
    package func check(_ list: inout CheckList) async {
        let target = SocketAddress(path: path)
        let listens = UNIXTable().hasListener(at: target)
        if listens {
            list.fail("address", "a server is listening at \(target)")
            return
        }
        if target.isAbstract {
            list.pass("address", "\(target) is free")
            return
        }
        checkFile(&list)
        do { try UNIXAccess(user: user, group: group).requireOwners() } catch {
            list.fail(user == nil ? "group" : "user", error)
        }
        let absolute = absolutePath(path)
        let end = absolute.lastIndex(of: "/") ?? absolute.startIndex
        let directory = end == absolute.startIndex ? "/" : String(absolute[..<end])
        if access(directory, W_OK | X_OK) == 0 {
            list.pass("address", "the directory \"\(directory)\" can be written to")
        } else {
            list.fail("address", "the directory \"\(directory)\": \(SystemError(errno: errno))")
        }
    }

    private func checkFile(_ list: inout CheckList) {
        if lockfile, UNIXLockFile(forSocket: path).isHeld() {
            list.fail("lockfile", "a running process holds the lock file \(path).lock")
        }
        var file = endpoints_file()
        switch endpoints_lstat(path, &file) {
        case 0 where endpoints_is_socket(file.mode) != 0:
            list.pass("address", "\"\(path)\" is a socket that nobody serves; it is replaced")
        case 0:
            list.fail("address", "\"\(path)\" is there and no socket")
        case -ENOENT:
            list.pass("address", "\"\(path)\" is free")
        case let result:
            list.fail("address", "\"\(path)\": \(SystemError(errno: -result))")
        }
    }
}

/// The UNIX sockets that the kernel lists.
private struct UNIXTable {
    /// `__SO_ACCEPTCON`: it listens.
    private static let listens = 0x1_0000
    private var listening: Set<String> = []

    init() {
        guard let file = fopen("/proc/net/unix", "re") else { return }
        defer { fclose(file) }
        var line: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(line) }
        while true {
            let count = getline(&line, &capacity, file)
            guard count > 0, let line else { return }
            let bytes = UnsafeRawBufferPointer(start: line, count: count)
            let text = String(decoding: bytes, as: UTF8.self)
            // Num: RefCount Protocol Flags Type St Inode Path
            let fields = text.dropLast().split(
                separator: " ",
                maxSplits: 7,
                omittingEmptySubsequences: true
            )
            guard fields.count == 8, let flags = Int(fields[3], radix: 16),
                flags & Self.listens != 0
            else { continue }
            listening.insert(String(fields[7]))
        }
    }

    func hasListener(at address: SocketAddress) -> Bool {
        guard let text = address.path else { return false }
        // The kernel lists the path with which it was bound; we bind as it is written.
        return listening.contains(text) || listening.contains(absolutePath(text))
    }
}
