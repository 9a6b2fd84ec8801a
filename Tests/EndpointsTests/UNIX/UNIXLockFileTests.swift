import CEndpoints
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("UNIX lock file")
struct UNIXLockFileTests {
    private let directory: TemporaryDirectory
    private let lock: UNIXLockFile

    init() throws {
        directory = try TemporaryDirectory()
        lock = UNIXLockFile(forSocket: directory.file("a.sock"))
    }

    private func link(_ text: String) { _ = endpoints_symlink(text, lock.path) }

    /// No process has it: it is above the kernel's greatest (proc(5), pid_max).
    private let deadPID: Int32 = 2_000_000_000

    @Test("it is a symbolic link beside the socket, to our number")
    func form() throws {
        #expect(lock.state() == .free)
        #expect(try lock.acquire(endpoint: "unix:a") == nil)
        #expect(directory.entries == ["a.sock.lock"])
        var text = [CChar](repeating: 0, count: 64)
        let count = endpoints_readlink(lock.path, &text, text.count)
        #expect(count > 0)
        let characters = text.prefix(max(0, count)).map(UInt8.init(bitPattern:))
        #expect(String(decoding: characters, as: UTF8.self) == String(getpid()))
        #expect(lock.state() == .held(by: getpid()))
        #expect(lock.isHeld())
        lock.release()
        #expect(lock.state() == .free)
        #expect(directory.entries.isEmpty)
    }

    @Test("a second listener of this process is refused")
    func heldByUs() throws {
        _ = try lock.acquire(endpoint: "unix:a")
        let error = #expect(throws: EndpointError.self) { try lock.acquire(endpoint: "unix:a") }
        #expect(error?.code == .addressInUse)
        #expect(
            error?.description
                == "listen unix:a: process \(getpid()) holds the lock file \(lock.path)"
        )
        lock.release()
        #expect(try lock.acquire(endpoint: "unix:a") == nil)
        lock.release()
    }

    @Test("a process that runs holds it, also one that we may not signal")
    func heldByOthers() {
        link(String(getppid()))
        #expect(lock.state() == .held(by: getppid()))
        _ = endpoints_unlink(lock.path)
        link("1")
        #expect(lock.state() == .held(by: 1))
    }

    @Test("the lock of a process that has ended is taken over")
    func dead() throws {
        let pid = deadPID
        link(String(pid))
        #expect(lock.state() == .leftBehind(String(pid)))
        #expect(try lock.acquire(endpoint: "unix:a") == String(pid))
        #expect(lock.state() == .held(by: getpid()))
        lock.release()
    }

    @Test("our own number without the lock was left by another process of that number")
    func ownNumber() throws {
        link(String(getpid()))
        #expect(lock.state() == .leftBehind(String(getpid())))
        #expect(try lock.acquire(endpoint: "unix:a") == String(getpid()))
        lock.release()
    }

    @Test(
        "garbage is left behind",
        arguments: ["x", "0", "-1", "+1", "01", "1 ", "99999999999", "/etc/passwd"]
    )
    func garbage(text: String) throws {
        link(text)
        #expect(lock.state() == .leftBehind(text))
        #expect(try lock.acquire(endpoint: "unix:a") == text)
        lock.release()
    }

    @Test("a process that began after the lock was made does not hold it")
    func reusedNumber() {
        link(String(getppid()))
        // The lock is older than the process: its time is 1 January 1970.
        var times = [timespec(), timespec()]
        utimensat(AT_FDCWD, lock.path, &times, AT_SYMLINK_NOFOLLOW)
        #expect(lock.state() == .leftBehind(String(getppid())))
    }

    @Test(
        "a lock whose time is as far away as a time can be is judged like any other",
        arguments: [Int.max, 9_223_372_036, 9_223_372_035, -9_223_372_037, Int.min]
    )
    func extremeTime(seconds: Int) {
        link(String(getppid()))
        var times = [timespec(tv_sec: seconds, tv_nsec: 999_999_999), timespec()]
        times[1] = times[0]
        utimensat(AT_FDCWD, lock.path, &times, AT_SYMLINK_NOFOLLOW)
        #expect(lock.state() != .free)
    }

    @Test("a time beyond what nanoseconds can count is the greatest, or the least, that they can")
    func extremeTimes() {
        var status = stat()
        var file = endpoints_file()
        for (seconds, expected) in [
            (Int.max, Int64.max), (9_223_372_037, .max), (Int.min, .min), (-9_223_372_037, .min),
            (9_223_372_036, 9_223_372_036_854_775_807), (1, 1_854_775_807),
        ] {
            status.st_mtim = timespec(tv_sec: seconds, tv_nsec: 854_775_807)
            endpoints_file_read(&status, &file)
            #expect(file.changed == expected)
        }
        let stat = "7 (a) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 250 0 0"
        for boot in [Int64.max, .min, 9_223_372_036] {
            #expect(ProcessStart(stat: stat, bootTime: boot, ticksPerSecond: 100)?.time == nil)
        }
    }

    @Test("a file that is no lock is not removed")
    func regularFile() throws {
        let made = endpoints_open(lock.path, O_CREAT | O_WRONLY, 0o600)
        _ = OwnedDescriptor(made)
        let error = #expect(throws: EndpointError.self) { try lock.acquire(endpoint: "unix:a") }
        #expect(error?.code == .addressInUse)
        #expect(directory.entries == ["a.sock.lock"])
        #expect(!lock.isHeld())
    }

    @Test("release leaves a lock that is another's by now")
    func released() throws {
        _ = try lock.acquire(endpoint: "unix:a")
        _ = endpoints_unlink(lock.path)
        link("1")
        lock.release()
        #expect(lock.state() == .held(by: 1))
        lock.release()
        #expect(directory.entries == ["a.sock.lock"])
    }

    @Test("a directory that does not exist is an error with its errno")
    func noDirectory() {
        let lock = UNIXLockFile(forSocket: directory.file("no/a.sock"))
        let error = #expect(throws: EndpointError.self) { try lock.acquire(endpoint: "unix:a") }
        #expect(error?.code == .notFound)
        #expect(error?.systemError?.code == ENOENT)
    }

    @Test("the start of a process is read from /proc")
    func processStart() {
        #expect(ProcessStart(getpid())?.time != nil)
        #expect(ProcessStart(getpid())?.isZombie == false)
        #expect(ProcessStart(0x7fff_fff0) == nil)
        let stat = "7 (a) b (c)) Z 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 250 0 0"
        let start = ProcessStart(stat: stat, bootTime: 1000, ticksPerSecond: 100)
        #expect(start?.time == 1_002_500_000_000)
        #expect(start?.isZombie == true)
        #expect(ProcessStart(stat: stat, bootTime: nil)?.time == nil)
        for length in 0..<stat.utf8.count - 6 {
            let cut = ProcessStart(stat: String(stat.prefix(length)), bootTime: 1)
            #expect(cut == nil || length > 60)
        }
        #expect(ProcessStart.bootTime("cpu 1\nbtime 1700000000\nprocesses 5\n") == 1_700_000_000)
        #expect(ProcessStart.bootTime("cpu 1\n") == nil)
        #expect(ProcessStart.bootTime("btime x\n") == nil)
    }
}
