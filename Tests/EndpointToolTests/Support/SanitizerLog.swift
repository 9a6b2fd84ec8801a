// A sanitizer built into the tool speaks on stderr, which a test may not read, and changes the exit
// status, which a test may not ask for or the tool not live to. So each tool gets a file for it, and
// what is in there fails the test. A tool without a sanitizer makes none.
//
// The tool exits while its other threads are at work, and the leak check then may come upon a weak
// reference's side table whose object they are about to let go: the object points there by a number
// that is no pointer. So it looks twice, and what it does not find both times is no leak; it says that
// by the exit status only.

import Foundation
import Testing

/// Where a sanitizer in one tool writes.
struct SanitizerLog {
    private static let status: Int32 = 66
    private let path = "/tmp/endpoint-tool-\(getpid())-\(UInt32.random(in: 0 ... .max)).sanitizer"

    /// The environment of the tool: this process's own, and how the sanitizers are to report.
    ///
    /// In the file is nothing else, such as what was suppressed. The Thread Sanitizer does not sleep for
    /// a second before each exit.
    var environment: [String] {
        var variables = ProcessInfo.processInfo.environment
        let log = "log_path=\(path):exitcode=\(Self.status):print_suppressions=0"
        for (name, options) in [
            ("ASAN_OPTIONS", log), ("LSAN_OPTIONS", "tries=2"),
            ("TSAN_OPTIONS", "\(log):atexit_sleep_ms=0"),
        ] {
            variables[name] = [variables[name], options].compactMap { $0 }.joined(separator: ":")
        }
        return variables.map { "\($0)=\($1)" }
    }

    /// Fails the test if there is a report, the first time.
    ///
    /// - Parameters:
    ///   - pid: The tool's, which the sanitizers put behind the name.
    ///   - status: Its exit status; `nil` if it was still running.
    func check(_ pid: pid_t, status: Int32?) {
        let file = "\(path).\(pid)"
        guard let bytes = FileManager.default.contents(atPath: file) else { return }
        unlink(file)
        let report = String(decoding: bytes, as: UTF8.self)
        if status != Self.status && report.contains("ERROR: LeakSanitizer") { return }
        Issue.record("the sanitizer in the tool: \(report)")
    }
}
