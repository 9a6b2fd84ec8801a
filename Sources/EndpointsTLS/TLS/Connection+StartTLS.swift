// The handshake, on a live connection.
//
// It runs on the connection that is to be upgraded, as its only reader and writer, over a transport
// that nobody else has seen; only when all is agreed on and verified does that transport get a
// connection of its own. So whoever aborts, closes or times out the old one ends the handshake, and
// there is never a connection about whose peer nothing is known.
//
// What was read ahead came before the handshake, in the clear, from anybody: taken for what the peer
// said inside TLS it is the old STARTTLS injection (CVE-2011-0411), so then there is no upgrade.

import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop
import Logging

extension Connection {
    /// Does a TLS handshake on this connection, and returns the encrypted one that takes its place.
    ///
    /// This one is used up: calls on it throw `closed`, and closing it closes the new one. The peer is
    /// verified when it returns. Files that a configuration names are read if that has not happened.
    ///
    /// Cancellation: the connection is reset, and nothing of it remains.
    ///
    /// - Parameters:
    ///   - role: Which side to be, and how.
    ///   - timeout: How long the handshake may take; `nil` waits as long as the peer does.
    /// - Returns: The connection over TLS.
    /// - Throws: `CancellationError`, or ``EndpointError``. This connection stays as it was with
    ///   `invalidArgument` (the configuration), `busy`, `closed`, and `handshakeFailed` if bytes have
    ///   been read ahead; it is closed with `certificateInvalid`, `handshakeFailed`, `timedOut`.
    public func startTLS(
        _ role: TLSRole,
        timeout: Duration? = .seconds(10)
    ) async throws -> Connection {
        // Claimed before the files are read, which may take a wait: nobody's bytes go out in the clear
        // after this call.
        try beginUpgrade()
        defer { endUpgrade() }
        let side: TLSSide
        do { side = try await role.side(logger: origin.logger) } catch let error as TLSFileError {
            throw error.endpointError(operation: "start TLS", endpoint: subject.name)
        }
        let peer =
            if case .client(let client) = side { "with \(client.serverName.text)" } else {
                "from \(remoteAddress)"
            }
        return try await secureClaimed(side, peer: peer, timeout: timeout)
    }

    /// Does the handshake; `peer` is how errors call whom it is with.
    func secure(
        _ side: TLSSide,
        peer: @autoclosure () -> String,
        timeout: Duration?
    ) async throws -> Connection {
        try beginUpgrade()
        defer { endUpgrade() }
        return try await secureClaimed(side, peer: peer(), timeout: timeout)
    }

    /// Does the handshake on a connection that has been claimed for it.
    private func secureClaimed(
        _ side: TLSSide,
        peer: @autoclosure () -> String,
        timeout: Duration?
    ) async throws -> Connection {
        if hasPushback {
            throw EndpointError(
                .handshakeFailed,
                operation: "TLS handshake",
                endpoint: peer(),
                reason: "bytes came in the clear after the request to start TLS",
                phase: .handshake
            )
        }
        let start = ContinuousClock.now
        let tls = try TLSTransport(over: transport, side, origin: origin, facts: facts)
        do { try await shakeHands(tls, timeout: timeout) } catch is CancellationError {
            endNow(.closed, reset: true)
            throw CancellationError()
        } catch {
            var failure = error as? EndpointError ?? self.error(.handshakeFailed, "TLS handshake")
            if failure.operation == "TLS handshake" || failure.operation == "read" {
                failure = failure.of(operation: "TLS handshake", endpoint: peer())
            }
            endNow(.failed(failure), reset: false)
            throw failure
        }
        let handshake = ConnectionTimeline.Phase(start: start, duration: .now - start)
        tls.facts = facts.adding(tls.agreement()) { $0.handshake = handshake }
        let successor = try become(tls, facts: tls.facts)
        // An end that came meanwhile was told to us, not to it.
        if base.hasHungUp, let end = tls.end(after: .readHangUp) { successor.finish(with: end) }
        return successor
    }

    private func shakeHands(
        _ tls: TLSTransport,
        timeout: Duration?
    ) async throws {
        let deadline = timeout.map { loop.now &+ $0.nanosecondsClamped }
        let timer = deadline.map { deadline in
            loop.schedule(at: deadline) { self.wake(self.readGate) }
        }
        defer { if let timer { loop.cancel(timer) } }
        while true {
            if isCallerCancelled { throw CancellationError() }
            if phase != .open { throw refusal("read") }
            if let timeout, let deadline, loop.now >= deadline {
                throw EndpointError(
                    .timedOut,
                    operation: "TLS handshake",
                    reason: "not finished after \(timeout.inSeconds)",
                    phase: .handshake
                )
            }
            let transfer = tls.handshake()
            if transfer.rawValue > 0 { return }
            if transfer.wouldBlock || transfer == .needsTurn {
                if transfer.wouldBlock { try register(for: "TLS handshake", transfer) }
                beginReadWait(transfer)
                await waitAtReadGate()
                continue
            }
            if let failure = tls.failure {
                if tls.mustLingerAfterAlert { await lingerAfterAlert() }
                throw failure
            }
            if transfer == .moved(0) {
                throw error(
                    .handshakeFailed,
                    "TLS handshake",
                    reason: "the peer ended the connection in the middle of the handshake"
                )
            }
            try check(transfer, "TLS handshake")
        }
    }

    /// Gives the peer time to read why: closing with bytes unread would reset the connection, and
    /// take our alert with it.
    private func lingerAfterAlert() async {
        base.shutDownWrite()
        let deadline = loop.now &+ 500_000_000
        let timer = loop.schedule(at: deadline) { self.wake(self.readGate) }
        defer { loop.cancel(timer) }
        while phase == .open && loop.now < deadline && !isCallerCancelled {
            let transfer = discard()
            if transfer.rawValue > 0 { continue }
            if transfer.wouldBlock {
                guard (try? register(for: "close", transfer)) != nil else { return }
            } else if transfer != .needsTurn {
                return
            }
            beginReadWait(transfer)
            await waitAtReadGate()
        }
    }
}

extension TLSTransport {
    /// Whether the peer speaks TLS, and so may read our alert, and may be sending still: a client
    /// goes on when it has shown its certificate.
    fileprivate var mustLingerAfterAlert: Bool {
        guard let type = opening?.first, (20...24).contains(type) else { return false }
        return context.isServer || base.unreadCount > 0
    }

    /// What was agreed on.
    fileprivate func agreement() -> TLSFacts {
        let name: String? =
            switch side {
            case .client(let client): client.serverName.isAddress ? nil : client.serverName.text
            case .server: requestedName
            }
        return TLSFacts(
            ssl,
            isServer: context.isServer,
            verifies: context.verifies,
            serverName: name
        )
    }
}

extension TLSRole {
    /// Reads what must be read.
    ///
    /// - Throws: ``TLSFileError``, or ``EndpointError`` if the name is none.
    func side(logger: Logger) async throws -> TLSSide {
        switch self {
        case .client(let serverName, let configuration):
            let name = try ServerName(serverName)
            let context = try configuration.context(logger: logger)
            return .client(TLSClientSide(context: context, serverName: name, sessionKey: name.text))
        case .server(let configuration):
            return .server(try await configuration.state.generation(configuration))
        }
    }
}
