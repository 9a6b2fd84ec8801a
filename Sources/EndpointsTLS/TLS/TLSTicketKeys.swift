// The keys that seal session tickets (RFC 5077, section 4). Who steals one can read what tickets of
// TLS 1.2 protect, so they are replaced from time to time; the one before is kept to open what it has
// sealed. They live apart from certificates and contexts: a reload must not make every client do a
// full handshake. They are kept out of core dumps, and wiped when they are replaced (SecretBytes).

import COpenSSL
import EndpointStrings
import EndpointsCore
import EndpointsNet
import EventLoop

/// The keys for tickets, replaced by and by.
final class TLSTicketKeys: Sendable {
    private struct Key {
        /// What the ticket says of its key: not secret.
        let name: [UInt8]
        /// 32 bytes for AES, then 32 for HMAC.
        private let secret: SecretBytes
        let made: Int

        init?(at time: Int) {
            var name = [UInt8](repeating: 0, count: 16)
            guard RAND_bytes(&name, 16) == 1, let secret = SecretBytes(capacity: 64) else {
                return nil
            }
            let filled = secret.append { room in
                let bytes = room.assumingMemoryBound(to: UInt8.self)
                return RAND_priv_bytes(bytes.baseAddress, 64) == 1 ? 64 : 0
            }
            guard filled == 64 else { return nil }
            self.name = name
            self.secret = secret
            made = time
        }

        func seal(
            _ cipher: OpaquePointer,
            _ mac: OpaquePointer,
            _ iv: UnsafeMutablePointer<UInt8>,
            encrypting: Bool
        ) -> Int32 {
            secret.withBytes { bytes in
                guard let aes = bytes.baseAddress else { return 0 }
                return endpoints_ticket_seal(cipher, mac, aes, aes + 32, iv, encrypting ? 1 : 0)
            }
        }
    }
    private struct State {
        var keys: [Key] = []  // the current one first
        var lifetime: Int
    }
    private let state: Lock<State>

    init(lifetime: Duration) {
        state = Lock(State(lifetime: max(1, lifetime.secondsClamped)))
    }

    /// Replaces the current key; tickets of the one before can still be used.
    func rotate() {
        state.withLock { Self.rotate(&$0, at: TLSCertificate.Time.now.secondsSince1970) }
    }

    /// Forgets all keys, and with them every ticket.
    func forget() { state.withLock { $0.keys = [] } }

    private static func rotate(_ state: inout State, at time: Int) {
        guard let key = Key(at: time) else { return }
        state.keys.insert(key, at: 0)
        state.keys = Array(state.keys.prefix(2))
    }

    /// Prepares to seal a ticket: 1, or 0 if there can be none.
    func seal(
        _ name: UnsafeMutablePointer<UInt8>,
        _ iv: UnsafeMutablePointer<UInt8>,
        _ cipher: OpaquePointer,
        _ mac: OpaquePointer
    ) -> Int32 {
        let now = TLSCertificate.Time.now.secondsSince1970
        let key = state.withLock { state in
            if state.keys.first.map({ now - $0.made >= state.lifetime }) ?? true {
                Self.rotate(&state, at: now)
            }
            return state.keys.first
        }
        guard let key else { return 0 }
        name.update(from: key.name, count: 16)
        return key.seal(cipher, mac, iv, encrypting: true)
    }

    /// Prepares to open a ticket: 1, 2 if a new one is due, or 0 if the key is not known.
    func open(
        _ name: UnsafeMutablePointer<UInt8>,
        _ iv: UnsafeMutablePointer<UInt8>,
        _ cipher: OpaquePointer,
        _ mac: OpaquePointer
    ) -> Int32 {
        let wanted = UnsafeBufferPointer(start: name, count: 16)
        let now = TLSCertificate.Time.now.secondsSince1970
        let found = state.withLock { state -> (Key, Bool)? in
            // A key seals for one lifetime and opens for one more.
            for (index, key) in state.keys.enumerated()
            where key.name.elementsEqual(wanted) && now - key.made < 2 * state.lifetime {
                return (key, index > 0)
            }
            return nil
        }
        guard let (key, isOld) = found else { return 0 }
        guard key.seal(cipher, mac, iv, encrypting: false) == 1 else { return -1 }
        return isOld ? 2 : 1
    }
}
