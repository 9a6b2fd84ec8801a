// What the service manager has passed: descriptors from 3 on, as sd_listen_fds(3) defines it.
//
// The environment is read once, at the first use, and then the variables are removed, lest a child
// believe them. That is a change of the process's environment, which other threads may be reading: so
// it happens once, under a lock, as early as a program asks. All descriptors get FD_CLOEXEC, used or
// not. Which was taken is remembered: a descriptor is listened on once.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// The sockets that a process was started with.
final class ActivatedSockets: Sendable {
    /// Those of this process; reading them removes the variables from the environment.
    static let ofProcess: ActivatedSockets = {
        let names = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"]
        var environment: [String: String] = [:]
        for name in names {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        let sockets = ActivatedSockets(
            environment: environment,
            pid: getpid(),
            identity: endpoints_process_identity()
        )
        if sockets.isForUs { for name in names { unsetenv(name) } }
        return sockets
    }()

    /// One of them.
    struct Passed: Hashable, Sendable {
        let index: Int
        let descriptor: Int32
        let name: String
    }

    /// Which of them are meant.
    enum Choice: Hashable {
        case index(Int)
        /// All of that name.
        case name(String)
    }

    /// Why none can be taken.
    struct Refusal: Error, Hashable {
        var code: EndpointError.Code
        var reason: String
    }

    private let passed: [Passed]
    /// Why there are none.
    private let problem: String?
    private let isForUs: Bool
    private let taken = Lock(Set<Int>())

    /// Reads a table.
    ///
    /// `identity` is the number that no other process ever has, 0 if the system has none; `first` the
    /// number of the first descriptor.
    init(environment: [String: String], pid: Int32, identity: UInt64 = 0, first: Int32 = 3) {
        guard let owner = environment["LISTEN_PID"], let count = environment["LISTEN_FDS"] else {
            (passed, isForUs) = ([], false)
            problem = "the program was not started by systemd with sockets (no LISTEN_FDS)"
            return
        }
        guard owner == "\(pid)" else {
            (passed, isForUs) = ([], false)
            problem = "the sockets are another process's (LISTEN_PID is not \(pid))"
            return
        }
        // A pid can be given to a second process, this number cannot.
        if identity != 0, let named = environment["LISTEN_PIDFDID"], named != "\(identity)" {
            (passed, isForUs) = ([], false)
            problem = "the sockets are another process's (LISTEN_PIDFDID is not \(identity))"
            return
        }
        isForUs = true
        guard let count = Int32(count), count > 0, count <= 65_536 else {
            passed = []
            problem = "LISTEN_FDS is not a number of sockets"
            return
        }
        let names = environment["LISTEN_FDNAMES"].map {
            $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        }
        if let names, names.count != Int(count) {
            passed = []
            problem = "LISTEN_FDNAMES has \(names.count) names for \(count) sockets"
        } else {
            passed = (0..<count).map { index in
                Passed(
                    index: Int(index),
                    descriptor: first + index,
                    name: names?[Int(index)] ?? "unknown"
                )
            }
            problem = nil
        }
        for index in 0..<count { _ = endpoints_set_close_on_exec(first + index) }
    }

    /// Takes the sockets that are meant; all of them listen, and are of the domain if one is given.
    ///
    /// - Throws: ``Refusal``, and then none is taken.
    func take(_ choice: Choice, domain: Int32?) throws(Refusal) -> [Passed] {
        let chosen = try chosen(choice, domain: domain)
        let indices = Set(chosen.map(\.index))
        let isFree = taken.withLock { taken in
            guard taken.isDisjoint(with: indices) else { return false }
            taken.formUnion(indices)
            return true
        }
        guard isFree else {
            throw Refusal(code: .addressInUse, reason: "the socket was listened on before")
        }
        return chosen
    }

    /// What `take` would take, left where it is.
    ///
    /// - Throws: ``Refusal``.
    func chosen(_ choice: Choice, domain: Int32?) throws(Refusal) -> [Passed] {
        if let problem { throw Refusal(code: .notFound, reason: problem) }
        let meant = passed.filter { socket in
            switch choice {
            case .index(let index): socket.index == index
            case .name(let name): socket.name == name
            }
        }
        guard !meant.isEmpty else { throw Refusal(code: .notFound, reason: notFound(choice)) }
        var chosen: [Passed] = []
        var others: [String] = []
        var isFit = true
        for socket in meant {
            let kind = DescriptorKind(of: socket.descriptor)
            if case .listening(let found) = kind, domain == nil || domain == found {
                chosen.append(socket)
            } else {
                others.append("descriptor \(socket.descriptor) (\"\(socket.name)\") is \(kind)")
                // Of several sockets of a name the domain may choose some; but all must listen.
                if case .listening = kind { continue }
                isFit = false
            }
        }
        guard !chosen.isEmpty, isFit else {
            let family = domain.map { "\(DescriptorKind.name(ofDomain: $0)) " } ?? ""
            throw Refusal(
                code: .invalidArgument,
                reason: "\(others.joined(separator: ", ")), not a listening \(family)stream socket"
            )
        }
        return chosen
    }

    private func notFound(_ choice: Choice) -> String {
        let names = passed.map { "\"\($0.name)\"" }.joined(separator: ", ")
        let all = passed.count == 1 ? "1 socket was passed" : "\(passed.count) sockets were passed"
        return switch choice {
        case .index(let index): "there is no socket \(index): \(all), counted from 0 (\(names))"
        case .name(let name): "there is no socket \"\(name)\": \(all) (\(names))"
        }
    }
}
