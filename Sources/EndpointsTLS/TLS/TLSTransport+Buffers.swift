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
import EndpointStrings
import EndpointsCore
import EndpointsNet
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
        guard let loop = EventLoop.current, bufferWatch == nil else { return }
        endpoints_ssl_set_release(ssl, 0)
        let watch = BufferWatch(self)
        bufferWatch = watch
        lookLater(watch, on: loop)
    }

    private func lookLater(_ watch: BufferWatch, on loop: EventLoop) {
        // A loop that ends fires its timers at once, and keeps those that are set then.
        if loop.isStopping { return }
        callsAtLastLook = calls
        _ = loop.schedule(at: loop.now &+ Self.lookInterval) {
            watch.transport?.look(watch, on: loop)
        }
    }

    private func look(_ watch: BufferWatch, on loop: EventLoop) {
        if calls != callsAtLastLook || SSL_free_buffers(ssl) == 0 {
            return lookLater(watch, on: loop)
        }
        bufferWatch = nil
        endpoints_ssl_set_release(ssl, 1)
        calls = 0
    }
}

/// What the timer holds of a transport, which leaves it with its end.
///
/// Not a weak reference: an object that has had one counts all its references the slow way, 370
/// instructions a message.
final class BufferWatch {
    // Safe: the transport's deinit clears it, and both are touched on the loop's thread only.
    unowned(unsafe) var transport: TLSTransport?

    init(_ transport: TLSTransport) { self.transport = transport }
}
