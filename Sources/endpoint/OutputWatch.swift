// A pipe whose reader is gone says so to whoever asks (POLLERR of poll(2)), and else only at the next
// write, for which there may be no reason for hours.
//
// It is asked by an epoll on a thread of its own. A poll(2) would keep the pipe open while it waits, so
// that the reader would not see our end.

import CEndpoints
import Dispatch
import Endpoints

enum OutputWatch {
    /// Returns when nobody can read standard output any more, or the task is cancelled.
    ///
    /// A file always has a reader.
    static func readerGone() async {
        let (ends, end) = AsyncStream.makeStream(of: Void.self)
        let epoll = endpoints_epoll_create()
        // Errors and hang-ups are reported though nothing is asked for (epoll_ctl(2)).
        if endpoints_epoll_control(epoll, EPOLL_CTL_ADD, 1, 0, 0) == 0 {
            // Ends with the process.
            DispatchQueue(label: "endpoint.output watch").async {
                var event = epoll_event()
                while endpoints_epoll_wait(epoll, &event, 1, -1) < 0 {}
                end.finish()
            }
        }
        for await _ in ends {}
        withExtendedLifetime(end) {}
    }

    /// Whether standard input and output are the same file, such as a socket or a terminal.
    ///
    /// Then the end of the input comes behind what is still to be read, and says as much.
    static var sharesInput: Bool {
        var (input, output) = (stat(), stat())
        guard fstat(0, &input) == 0, fstat(1, &output) == 0 else { return false }
        return input.st_dev == output.st_dev && input.st_ino == output.st_ino
    }
}
