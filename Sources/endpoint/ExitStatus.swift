import ArgumentParser
import Endpoints

/// How the tool ends: sysexits(3), and 128 + a signal's number (Signals.swift).
enum ExitStatus: Int32, Error {
    case done = 0
    /// It could not be done; thrown where that needs no words.
    case failed = 1
    /// A wrong command line or endpoint string: `EX_USAGE`.
    case usage = 64

    /// Says on stderr what went wrong, and answers the status for it.
    static func report(_ error: any Error) -> ExitStatus {
        switch error {
        case let status as ExitStatus:
            return status
        case let error as EndpointStringError:
            complain("\(error)")
            return .usage
        case is CancellationError:
            return .done
        case _ where EndpointCommand.exitCode(for: error) != .failure:
            // The argument parser's own: help, or a wrong command line.
            EndpointCommand.exit(withError: error)
        default:
            complain("endpoint: \(error)")
            return .failed
        }
    }

    private static func complain(_ text: String) { LineQueue.standardError.add(text) }
}

extension EndpointError {
    /// Whether what was written to has nobody who reads it any more.
    var isBrokenPipe: Bool { operation == "write" && systemError?.name == "EPIPE" }
}
