// A write to a pipe or socket that nobody reads raises SIGPIPE, which ends a program that did not ask
// for it. send(2) has a flag against that, write(2) and sendfile(2) have none. The signal goes to the
// thread that writes: here one that blocks no signal, in a process that takes the default action.

import CEndpoints
import EventLoop
import Foundation
import Testing

@testable import EndpointsCore

@Suite("Writing where nobody reads", .tags(.faults), .timeLimit(.minutes(2)))
struct BrokenPipeTests {
    @Test("a write to a pipe answers EPIPE, and no signal comes")
    func pipe() async {
        await #expect(processExitsWith: .success) {
            BrokenPipeTests.takeSignals()
            var ends: [Int32] = [-1, -1]
            try #require(endpoints_pipe(&ends) == 0)
            _ = endpoints_close(ends[0])
            #expect(endpoints_write(ends[1], [1], 1) == -Int(EPIPE))
            BrokenPipeTests.expectNoSignal()
        }
    }

    @Test("a write whose reader goes away half-way answers what was written, and no signal comes")
    func halfWay() async {
        await #expect(processExitsWith: .success) {
            BrokenPipeTests.takeSignals()
            var ends: [Int32] = [-1, -1]
            try #require(endpoints_pipe(&ends) == 0)
            let reading = ends[0]
            // More than a pipe holds: the write waits for its reader.
            Thread.detachNewThread {
                while endpoints_unread(reading) < 65_536 { sched_yield() }
                _ = endpoints_close(reading)
            }
            let bytes = [UInt8](repeating: 0, count: 200_000)
            #expect(endpoints_write(ends[1], bytes, bytes.count) == 65_536)
            BrokenPipeTests.expectNoSignal()
        }
    }

    @Test("a file sent to a socket answers EPIPE, and no signal comes")
    func file() async {
        await #expect(processExitsWith: .success) {
            BrokenPipeTests.takeSignals()
            var ends: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, ENDPOINTS_STREAM, 0, &ends) == 0)
            _ = endpoints_close(ends[0])
            let file = endpoints_open("/proc/self/exe", O_RDONLY, 0)
            var offset = 0
            #expect(endpoints_sendfile(ends[1], file, &offset, 1) == -Int(EPIPE))
            BrokenPipeTests.expectNoSignal()
        }
    }

    @Test("a signal that the program itself keeps blocked and pending is left to it")
    func pending() async {
        await #expect(processExitsWith: .success) {
            BrokenPipeTests.takeSignals()
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGPIPE)
            pthread_sigmask(SIG_BLOCK, &signals, nil)
            pthread_kill(pthread_self(), SIGPIPE)
            var ends: [Int32] = [-1, -1]
            try #require(endpoints_pipe(&ends) == 0)
            _ = endpoints_close(ends[0])
            #expect(endpoints_write(ends[1], [1], 1) == -Int(EPIPE))
            var pending = sigset_t()
            sigpending(&pending)
            #expect(sigismember(&pending, SIGPIPE) == 1)
        }
    }

    private static func takeSignals() {
        signal(SIGPIPE, nil)  // SIG_DFL
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
    }

    private static func expectNoSignal() {
        var pending = sigset_t()
        sigpending(&pending)
        #expect(sigismember(&pending, SIGPIPE) == 0)
        var mask = sigset_t()
        pthread_sigmask(SIG_SETMASK, nil, &mask)
        #expect(sigismember(&mask, SIGPIPE) == 0)
    }
}
