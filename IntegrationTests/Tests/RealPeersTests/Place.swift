// Where two processes meet: the same place in our endpoint strings, in Twisted's, and in the words of
// socat and nc.

import RealPeers
import Testing

/// A kind of address that tests meet at.
enum Place: String, CaseIterable, CustomTestStringConvertible {
    case tcp, tcp6, unix, abstract

    var testDescription: String { rawValue }

    /// What ours listens at; the port is the kernel's choice.
    func server(_ peers: Peers) -> String {
        switch self {
        case .tcp: "tcp:0:interface=127.0.0.1"
        case .tcp6: "tcp6:0:interface=[::1]"
        case .unix: "unix:\(peers.path("ours.sock"))"
        case .abstract: "unix:@\(peers.path("ours"))"
        }
    }

    /// The address of a peer's server that has said `listening WHERE`.
    func address(_ peers: Peers, said: String) -> Address {
        switch self {
        case .tcp: .tcp(host: "127.0.0.1", port: said)
        case .tcp6: .tcp(host: "::1", port: said)
        case .unix: .unix(path: said)
        case .abstract: .abstract(name: said)
        }
    }
}

/// An address that something listens at.
enum Address: Sendable {
    case tcp(host: String, port: String)
    case unix(path: String)
    case abstract(name: String)

    /// Reads the endpoint string of a `listening` line of ours.
    init(listening string: String) {
        let parts = string.split(separator: ":", maxSplits: 1)
        if ["tcp", "tcp6", "tls", "ssl"].contains(parts[0]) {
            let port = string.firstMatch(of: /port=(\d+)/).map { String($0.1) } ?? ""
            self = .tcp(host: parts[0] == "tcp6" ? "::1" : "127.0.0.1", port: port)
        } else {
            let path = String(parts[1].split(separator: ":")[0].trimmingPrefix("address="))
            self =
                path.hasPrefix("@") ? .abstract(name: String(path.dropFirst())) : .unix(path: path)
        }
    }

    /// Our client's string.
    var client: String {
        switch self {
        case .tcp("::1", let port): "tcp:[::1]:\(port)"
        case .tcp(let host, let port): "tcp:\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        case .abstract(let name): "unix:@\(name)"
        }
    }

    /// Twisted's client string.
    var twistedClient: String {
        switch self {
        case .tcp("::1", let port): #"tcp:host=\:\:1:port=\#(port)"#
        case .tcp, .unix: client
        case .abstract(let name): "unix:\0\(name)"
        }
    }

    /// socat's address to connect to.
    var socat: String {
        switch self {
        case .tcp("::1", let port): "TCP6:[::1]:\(port)"
        case .tcp(let host, let port): "TCP4:\(host):\(port)"
        case .unix(let path): "UNIX-CONNECT:\(path)"
        case .abstract(let name): "ABSTRACT-CONNECT:\(name)"
        }
    }

    /// nc's arguments to connect to it.
    var nc: [String] {
        switch self {
        case .tcp(let host, let port): [host, port]
        case .unix(let path): ["-U", path]
        case .abstract(let name): ["-U", "@\(name)"]
        }
    }

    /// The asyncio peer's words.
    var asyncio: [String] {
        switch self {
        case .tcp(let host, let port): ["tcp", "\(host):\(port)"]
        case .unix(let path): ["unix", path]
        case .abstract(let name): ["unix", "\0\(name)"]
        }
    }
}
