// When OpenSSL gives its two buffers of 16 KiB back.
//
// With SSL_MODE_RELEASE_BUFFERS it does so after each record, which costs an allocation for every
// message; without, an idle connection keeps 33 KiB. So a connection begins with the mode on, and
// turns it off when it proves busy; a timer looks from time to time whether it still is, then takes
// the buffers away (SSL_free_buffers) and turns the mode on again. A message pays one addition and
// one comparison, and connections that carry little never have a timer.
//
// On in the handshake, too: buffers that live as long as it does leave holes between what stays, and
// an idle connection was 1.2 KiB larger.

import COpenSSL
import EventLoop

extension TLSTransport {
    /// After so many calls a connection is busy.
    private static let busyCalls = 16
    private static let lookInterval: UInt64 = 500_000_000

    @inline(__always)
    func noteCall() {
        calls &+= 1
        if calls == Self.busyCalls { keepBuffers() }
    }

    private func keepBuffers() {
        guard let loop = EventLoop.current, bufferTimer == nil else { return }
        endpoints_ssl_set_release(ssl, 0)
        lookLater(on: loop)
    }

    private func lookLater(on loop: EventLoop) {
        callsAtLastLook = calls
        bufferTimer = loop.schedule(at: loop.now &+ Self.lookInterval) { [weak self] in
            self?.look(on: loop)
        }
    }

    private func look(on loop: EventLoop) {
        bufferTimer = nil
        if calls != callsAtLastLook || SSL_free_buffers(ssl) == 0 { return lookLater(on: loop) }
        endpoints_ssl_set_release(ssl, 1)
        calls = 0
    }
}
