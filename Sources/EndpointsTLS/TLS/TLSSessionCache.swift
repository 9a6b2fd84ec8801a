// Sessions that a client may resume. A ticket of TLS 1.3 is used once, lest an observer tell that two
// connections are the same client's (RFC 8446, appendix C.4); a session of TLS 1.2 as long as it lives.

import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

/// A bounded store of sessions by server.
final class TLSSessionCache: Sendable {
    private static let mostServers = 256
    private static let mostEach = 4

    // Unchecked: OpenSSL counts references atomically, and a session that is stored is not changed.
    private struct Session: @unchecked Sendable {
        let pointer: OpaquePointer
    }
    private struct State {
        var sessions: [String: [Session]] = [:]
        /// The servers, the one stored longest ago first.
        var order: [String] = []
    }
    private let state = Lock(State())

    deinit {
        let all = state.withLock { $0.sessions.values.flatMap { $0 } }
        for session in all { SSL_SESSION_free(session.pointer) }
    }

    /// Keeps a session, whose reference it takes over.
    func insert(_ pointer: OpaquePointer, for server: String) {
        let dropped = state.withLock { state -> [Session] in
            var dropped: [Session] = []
            if state.sessions[server] == nil {
                state.order.append(server)
                if state.order.count > Self.mostServers {
                    dropped += state.sessions.removeValue(forKey: state.order.removeFirst()) ?? []
                }
            }
            state.sessions[server, default: []].append(Session(pointer: pointer))
            if state.sessions[server, default: []].count > Self.mostEach {
                dropped += [state.sessions[server, default: []].removeFirst()]
            }
            return dropped
        }
        for session in dropped { SSL_SESSION_free(session.pointer) }
    }

    /// Gives back a session that was used, and the reference with it.
    func putBack(_ pointer: OpaquePointer, for server: String) {
        if SSL_SESSION_get_protocol_version(pointer) == ENDPOINTS_TLS1_3 {
            SSL_SESSION_free(pointer)
        } else {
            insert(pointer, for: server)
        }
    }

    /// Takes out a session to try, whose reference the caller takes over.
    func take(for server: String) -> OpaquePointer? {
        let (taken, dropped) = state.withLock { state -> (Session?, [Session]) in
            var dropped: [Session] = []
            while let session = state.sessions[server]?.popLast() {
                if Self.isUsable(session.pointer) { return (session, dropped) }
                dropped.append(session)
            }
            if state.sessions.removeValue(forKey: server) != nil {
                state.order.removeAll { $0 == server }
            }
            return (nil, dropped)
        }
        for session in dropped { SSL_SESSION_free(session.pointer) }
        return taken?.pointer
    }

    private static func isUsable(_ session: OpaquePointer) -> Bool {
        let end = SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session)
        return SSL_SESSION_is_resumable(session) == 1
            && end > TLSCertificate.Time.now.secondsSince1970
    }
}
