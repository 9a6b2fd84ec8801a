// Servers of others that must be told their port, and say in words of their own when they listen.

import Endpoints
import Glibc
import RealPeers
import Synchronization
import Testing

private let nextPort = Mutex(10_000 + Int(getpid()) % 20_000)

extension Peers {
    /// A port of 127.0.0.1 on which nobody listens; the kernel gives none of these out by itself.
    func freePort() throws -> Int {
        for _ in 0..<1000 {
            let port = nextPort.withLock { next in
                next = next >= 31_999 ? 10_000 : next + 1
                return next
            }
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if result == 0 { return port }
        }
        throw EndpointError(.addressInUse, operation: "look for a free port")
    }

    /// Starts HAProxy, and waits until it listens.
    func haproxy(_ sections: String) async throws {
        let defaults = """
            defaults
                mode tcp
                timeout connect 10s
                timeout client 60s
                timeout server 60s

            """
        let configuration = try file("haproxy.cfg", Array("\(defaults)\(sections)\n".utf8))
        // As a master with a worker it says when that one has begun.
        let haproxy = try start("haproxy", "-W", "-db", "-f", configuration)
        _ = try await haproxy.errors.firstLine { $0.contains("Loading success") ? true : nil }
    }

    /// Starts nginx with servers of its stream module, and waits until it listens.
    func nginx(_ servers: String) async throws {
        let configuration = """
            load_module /usr/lib/nginx/modules/ngx_stream_module.so;
            daemon off;
            master_process off;
            pid \(path("nginx.pid"));
            error_log stderr notice;
            events {}
            stream {
            \(servers)
            }

            """
        let path = try file("nginx.conf", Array(configuration.utf8))
        let nginx = try start("nginx", "-e", "stderr", "-p", directory, "-c", path)
        // The last that it says before it serves; its sockets listen by then.
        _ = try await nginx.errors.firstLine { $0.contains("getrlimit") ? true : nil }
    }

    /// Starts tinyproxy, an HTTP proxy, for CONNECT to some ports, and answers its own port.
    func tinyproxy(user: String, password: String, to ports: [Int]) async throws -> Int {
        let port = try freePort()
        let configuration = """
            Port \(port)
            Listen 127.0.0.1
            Timeout 60
            BasicAuth \(user) \(password)
            \(ports.map { "ConnectPort \($0)" }.joined(separator: "\n"))

            """
        let path = try file("tinyproxy.conf", Array(configuration.utf8))
        let tinyproxy = try start("tinyproxy", "-d", "-c", path)
        let isReady: @Sendable (String) -> Bool? = {
            $0.contains("Accepting connections") ? true : nil
        }
        _ = try await tinyproxy.output.firstLine(isReady)
        return port
    }

    /// Starts Dante's SOCKS server for one user, or for anybody, and answers its port.
    ///
    /// It looks users up in the host's own files, so it gets others in their place, which takes a
    /// mount namespace.
    func dante(user: (name: String, password: String)?) async throws -> Int {
        let port = try freePort()
        let configuration = """
            logoutput: stderr
            internal: 127.0.0.1 port = \(port)
            external: 127.0.0.1
            clientmethod: none
            socksmethod: \(user == nil ? "none" : "username")
            user.privileged: root
            user.unprivileged: nobody
            client pass {
                from: 127.0.0.0/8 to: 0/0
            }
            socks pass {
                from: 127.0.0.0/8 to: 0/0
                command: connect
            }

            """
        let path = try file("danted.conf", Array(configuration.utf8))
        var command = ["danted", "-f", path]
        if let user {
            let openssl = try start("openssl", "passwd", "-6", user.password)
            let hash = try await openssl.output.firstLine { $0 }
            let passwd = "root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
            let entry = "\(user.name):x:4242:65534::/:/bin/false\n"
            let shadow = "root:*:1::::::\nnobody:*:1::::::\n\(user.name):\(hash):19000::::::\n"
            let passwdFile = try file("passwd", Array((passwd + entry).utf8))
            let shadowFile = try file("shadow", Array(shadow.utf8))
            let script = """
                mount --bind \(passwdFile) /etc/passwd && mount --bind \(shadowFile) /etc/shadow &&
                exec "$@"
                """
            command = ["unshare", "-m", "sh", "-c", script, "sh"] + command
        }
        let dante = try start(command)
        _ = try await dante.errors.firstLine { $0.contains("running") ? true : nil }
        return port
    }
}

/// Whether we may make namespaces: as root, where the host lets root do so.
let mayMakeNamespaces: Bool = {
    var status: Int32 = -1
    let child = popen("unshare -n -m ip link add near type veth peer name far 2>&1", "r")
    status = pclose(child)
    return getuid() == 0 && status == 0
}()

/// Takes one connection.
func first(of listener: Listener) async -> Connection? {
    var iterator = listener.makeAsyncIterator()
    return await iterator.next()
}
