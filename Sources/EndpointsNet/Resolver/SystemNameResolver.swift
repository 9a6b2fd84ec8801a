// getaddrinfo blocks for as long as the name servers please and cannot be stopped. So it runs on
// threads of its own, and who waits for it is kept apart from what it does: a caller that is
// cancelled leaves at once, and the look-up ends when it ends. While one runs, everybody who asks the
// same question waits for the same answer.
//
// All waiters sit behind one lock. A waiter has an outcome once, set by whoever comes first: the
// answer or its cancellation, which may even come before it began to wait.

import CEndpoints
import EndpointStrings
import EndpointsCore
import EventLoop

/// The system's resolver: getaddrinfo(3), with all that the host has configured.
///
/// Look-ups run on a few threads of their own, made when they are needed. Equal questions that are
/// asked at the same time are asked once. `localhost` and `*.localhost` are the loopback address,
/// and nobody is asked (RFC 6761, section 6.3). Nothing is cached.
public final class SystemNameResolver: NameResolver {
    /// The one that everybody shares.
    public static let shared = SystemNameResolver()

    struct Question: Hashable, Sendable {
        var host: String
        var family: AddressFamily
    }

    // Unchecked: `waiters` guards it.
    private final class Waiter: @unchecked Sendable {
        var continuation: UnsafeContinuation<Void, Never>?
        var outcome: Result<[SocketAddress], any Error>?
    }

    /// Who waits for each look-up that is queued or running.
    private let waiters = Lock<[Question: [Waiter]]>([:])
    private let threads: BlockingThreads
    private let lookUp: @Sendable (Question) throws -> [SocketAddress]

    /// Makes a resolver with threads of its own.
    ///
    /// - Parameters:
    ///   - maximumThreads: How many look-ups run at the same time.
    ///   - queueLimit: How many may wait for a thread; more are refused with code
    ///     `outOfResources`.
    public convenience init(maximumThreads: Int = 8, queueLimit: Int = 256) {
        self.init(
            threads: BlockingThreads(
                maximum: maximumThreads,
                queueLimit: queueLimit,
                idleTime: .seconds(10)
            )
        ) { try Self.askSystem($0) }
    }

    /// Makes a resolver that runs `lookUp` on its threads; it may block.
    init(
        threads: BlockingThreads,
        lookUp: @escaping @Sendable (Question) throws -> [SocketAddress]
    ) {
        self.threads = threads
        self.lookUp = lookUp
    }

    /// Looks a name up, in one family; a literal is its own answer.
    ///
    /// Cancellation: returns at once; the look-up ends by itself on its thread.
    ///
    /// - Parameters:
    ///   - host: A name or a literal.
    ///   - port: The port that the addresses are to have.
    ///   - family: The family that the addresses are to be of.
    /// - Returns: The addresses, in the order of RFC 6724; none if the name has none in this family.
    /// - Throws: ``EndpointError`` with code `nameNotFound`, `unavailable` if no server answered,
    ///   `outOfResources` if too many look-ups wait, `invalidArgument` if it is no host name.
    public func addresses(
        of host: String,
        port: UInt16,
        family: AddressFamily
    ) async throws -> [SocketAddress] {
        switch try Host(host, port: port, operation: "resolve", endpoint: "\"\(host)\"") {
        case .address(let address):
            return address.family == family ? [address] : []
        case .name(let name) where Host.isLocalhost(name):
            return [.loopback(family, port: port)]
        case .name(let name):
            let question = Question(host: name.lowercased(), family: family)
            return try await answer(to: question).map { $0.withPort(port) }
        }
    }

    private func answer(to question: Question) async throws -> [SocketAddress] {
        let waiter = Waiter()
        await withTaskCancellationHandler {
            await withUnsafeContinuation { wait(waiter, question, $0) }
        } onCancel: {
            cancel(waiter, question)
        }
        let outcome = waiters.withLock { _ in waiter.outcome }
        guard let outcome else { throw CancellationError() }
        return try outcome.get()
    }

    private func wait(
        _ waiter: Waiter,
        _ question: Question,
        _ continuation: UnsafeContinuation<Void, Never>
    ) {
        enum Next {
            case resume
            case ask
            case nothing
        }
        let next: Next = waiters.withLock { waiters in
            guard waiter.outcome == nil else { return .resume }  // Cancelled before it came here.
            waiter.continuation = continuation
            let isAsked = waiters[question] != nil
            waiters[question, default: []].append(waiter)
            return isAsked ? .nothing : .ask
        }
        switch next {
        case .resume: continuation.resume()
        case .nothing: break
        case .ask:
            guard !threads.submit({ self.run(question) }) else { return }
            let refusal = EndpointError(
                .outOfResources,
                operation: "resolve",
                endpoint: question.host,
                reason: "too many look-ups are waiting"
            )
            finish(question, .failure(refusal))
        }
    }

    private func cancel(_ waiter: Waiter, _ question: Question) {
        let continuation: UnsafeContinuation<Void, Never>? = waiters.withLock { waiters in
            guard waiter.outcome == nil else { return nil }
            waiter.outcome = .failure(CancellationError())
            waiters[question]?.removeAll { $0 === waiter }
            defer { waiter.continuation = nil }
            return waiter.continuation
        }
        continuation?.resume()
    }

    /// On a thread of ours.
    private func run(_ question: Question) {
        let isWanted = waiters.withLock { waiters in
            if waiters[question]?.isEmpty == false { return true }
            waiters[question] = nil
            return false
        }
        guard isWanted else { return }
        finish(question, Result { try lookUp(question) })
    }

    private func finish(_ question: Question, _ outcome: Result<[SocketAddress], any Error>) {
        let continuations = waiters.withLock { waiters in
            (waiters.removeValue(forKey: question) ?? []).compactMap { waiter in
                waiter.outcome = outcome
                defer { waiter.continuation = nil }
                return waiter.continuation
            }
        }
        for continuation in continuations { continuation.resume() }
    }

    // MARK: getaddrinfo

    /// Asks the system; blocks.
    private static func askSystem(_ question: Question) throws -> [SocketAddress] {
        // AI_ADDRCONFIG spares hosts without IPv6 the query. It does not count loopback addresses, so
        // that a host with nothing else would find no name at all: then ask again without it.
        do {
            return try getAddresses(question, flags: AI_ADDRCONFIG)
        } catch let error as EndpointError where error.code == .nameNotFound {
            do {
                return try getAddresses(question, flags: 0)
            } catch let error as EndpointError
                where error.systemError?.code == ENDPOINTS_EAI_NODATA
                || error.systemError?.code == ENDPOINTS_EAI_ADDRFAMILY
            {
                return []  // The name exists, in the other family.
            }
        }
    }

    private static func getAddresses(
        _ question: Question,
        flags: Int32
    ) throws -> [SocketAddress] {
        var list: UnsafeMutablePointer<addrinfo>?
        var code: Int32 = 0
        let family = question.family == .ipv4 ? AF_INET : AF_INET6
        let result = endpoints_getaddrinfo(question.host, family, flags, &list, &code)
        defer { if let list { freeaddrinfo(list) } }
        guard result == 0 else {
            let isSystem = result == EAI_SYSTEM && code != 0
            let reason = isSystem ? SystemError(errno: code) : SystemError(addressInfo: result)
            throw EndpointError(
                reason.endpointCode,
                operation: "resolve",
                endpoint: question.host,
                systemError: reason,
                phase: .resolve
            )
        }
        var addresses: [SocketAddress] = []
        var entry = list
        while let current = entry {
            entry = current.pointee.ai_next
            guard let pointer = current.pointee.ai_addr else { continue }
            var kernel = KernelAddress()
            kernel.length = current.pointee.ai_addrlen
            endpoints_copy_address(&kernel.storage, pointer, kernel.length)
            guard let address = SocketAddress(kernel), !addresses.contains(address) else {
                continue
            }
            addresses.append(address)
        }
        return addresses
    }
}
