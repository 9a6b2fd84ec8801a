// What a process knows of the one that started it as its successor. Until that one is told to go, the
// sockets are its own, too: should we end before, or close one, then the path, the queue and the lock
// file stay as they are for it.

import CEndpoints
import Endpoints
import EventLoop

/// The process that has started this one, if it was a ``HotRestart``.
enum Predecessor {
    /// The environment variable with the descriptor by which it hears that we are ready.
    static let readyVariable = "ENDPOINTS_READY_FD"
    /// The environment variable with the names of those sockets that systemd holds.
    static let heldNamesVariable = "ENDPOINTS_HELD_FDNAMES"

    /// Whether there is one.
    static let exists = readyPipe.withLock { $0 >= 0 }
    /// The names of those sockets that systemd holds for as long as this process runs.
    static let heldNames: Set<String> = {
        guard let text = getenv(heldNamesVariable).map({ String(cString: $0) }) else { return [] }
        unsetenv(heldNamesVariable)
        return Set(text.split(separator: ":").map(String.init))
    }()
    /// Its hold on the sockets that we have from it.
    static let share = SocketShare()

    /// The end of its pipe, or -1.
    private static let readyPipe = Lock<Int32>(takeReadyPipe())

    /// Says that we are ready; from now on the sockets are ours.
    ///
    /// It may be gone already.
    static func letGo() {
        readyPipe.withLock { pipe in
            guard pipe >= 0 else { return }
            _ = endpoints_write(pipe, [1], 1)
            _ = endpoints_close(pipe)
            pipe = -1
        }
        share.end()
    }

    private static func takeReadyPipe() -> Int32 {
        guard let text = getenv(readyVariable).map({ String(cString: $0) }) else { return -1 }
        unsetenv(readyVariable)
        // Only with the sockets, which name their process: else it is a grandchild's.
        guard let pipe = Int32(text), pipe > 2,
            getenv("LISTEN_PID").map({ String(cString: $0) }) == "\(getpid())"
        else { return -1 }
        _ = endpoints_set_close_on_exec(pipe)
        return pipe
    }
}
