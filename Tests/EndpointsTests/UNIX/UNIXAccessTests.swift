import CEndpoints
import Logging
import Testing

@testable import EndpointStrings
@testable import Endpoints
@testable import EndpointsCore
@testable import EndpointsHost
@testable import EndpointsNet
@testable import EndpointsProxy
@testable import EndpointsTLS

@Suite("Who may connect to a UNIX socket", .tags(.security), .timeLimit(.minutes(1)))
struct UNIXAccessTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("a.sock")
    }

    private func listen(_ arguments: String) async throws -> Listener {
        try await serverFromString("unix:\(quoted(path)):lockfile=0:\(arguments)").listen()
    }

    private func file(_ path: String) -> endpoints_file {
        var file = endpoints_file()
        _ = endpoints_lstat(path, &file)
        return file
    }

    private func bind(_ path: String) throws -> OwnedDescriptor {
        let socket = OwnedDescriptor(endpoints_socket(AF_UNIX, ENDPOINTS_STREAM, 0))
        var kernel = try SocketAddress(path: path).kernelAddress(operation: "bind", endpoint: nil)
        try #require(endpoints_bind(socket.rawValue, &kernel.storage, kernel.length) == 0)
        return socket
    }

    @Test("a user and a group by number, with the mode", .enabled(if: geteuid() == 0))
    func numbers() async throws {
        let listener = try await listen("mode=660:user=4242:group=4343")
        #expect(file(path).owner == 4242)
        #expect(file(path).group == 4343)
        #expect(file(path).mode & 0o777 == 0o660)
        await listener.close()
        #expect(directory.entries.isEmpty)
    }

    @Test("a user and a group by name; what is not given stays", .enabled(if: geteuid() == 0))
    func names() async throws {
        var listener = try await listen("user=daemon")
        var (user, group): (UInt32, UInt32) = (0, 0)
        try #require(endpoints_user_id("daemon", &user) == 1)
        try #require(endpoints_group_id("daemon", &group) == 1)
        #expect(file(path).owner == user)
        #expect(file(path).group == getegid())
        await listener.close()
        listener = try await listen("group=daemon")
        #expect(file(path).owner == geteuid())
        #expect(file(path).group == group)
        await listener.close()
    }

    @Test("this process's own user and group may be set without privileges")
    func own() async throws {
        let listener = try await listen("mode=600:user=\(geteuid()):group=\(getegid())")
        #expect(file(path).mode & 0o777 == 0o600)
        await listener.close()
    }

    @Test(
        "who there is not is refused before anything is bound",
        arguments: [
            ("user=no-such-user", "there is no user \"no-such-user\""),
            ("group=no-such-group", "there is no group \"no-such-group\""),
            ("user=4294967295", "4294967295 is not the number of a user"),
        ]
    )
    func unknown(arguments: String, reason: String) async throws {
        let error = await #expect(throws: EndpointError.self) { try await listen(arguments) }
        #expect("\(try #require(error))".contains(reason))
        #expect(directory.entries.isEmpty)
    }

    @Test("an abstract name has no owner")
    func abstract() async throws {
        let error = #expect(throws: EndpointStringError.self) {
            try serverFromString("unix:@a:user=root")
        }
        #expect(error?.message.contains("an abstract name has no file") == true)
        var endpoint = UNIXServerEndpoint(path: "@a")
        endpoint.group = "root"
        let failure = await #expect(throws: EndpointError.self) { try await endpoint.listen() }
        #expect(failure?.code == .invalidArgument)
    }

    @Test("they print and parse")
    func strings() throws {
        let string = "unix:address=/a:mode=660:user=app:group=www-data"
        #expect("\(try serverFromString("unix:/a:660:group=www-data:user=app"))" == string)
        #expect("\(try serverFromString(string))" == string)
    }

    @Test(
        "what took the socket's place is not changed, and not removed",
        arguments: ["link", "socket", "hard link", "file", "nothing"],
        [true, false]
    )
    func swapped(by other: String, asksKernel: Bool) throws {
        let victim = directory.file("victim")
        let theirs = try bind(victim)
        try #require(chmod(victim, 0o600) == 0)
        let ours = try bind(path)
        try #require(rename(path, directory.file("moved")) == 0)
        switch other {
        case "link": try #require(symlink(victim, path) == 0)
        case "hard link": try #require(link(victim, path) == 0)
        case "socket": try #require(rename(victim, path) == 0)
        case "file": _ = endpoints_close(endpoints_open(path, O_CREAT | O_WRONLY, 0o600))
        default: break
        }
        let kept = file(path)
        // A socket of this user's own with one name is what only the kernel can tell from ours.
        if other == "socket", !asksKernel { return }
        let error = #expect(throws: EndpointError.self) {
            let file = try UNIXSocketFile(
                boundBy: ours.rawValue,
                at: path,
                endpoint: "unix:a",
                asksKernel: asksKernel
            )
            try file.set(UNIXAccess(mode: 0o666, user: nil, group: nil), endpoint: "unix:a")
        }
        #expect(error?.endpoint == "unix:a")
        #expect(file(path).inode == kept.inode)
        #expect(file(path).mode == kept.mode)
        if other != "socket" { #expect(file(victim).mode & 0o777 == 0o600) }
        _ = consume theirs
        _ = consume ours
    }

    @Test(
        "the file that was bound is taken, by the kernel's word or without",
        arguments: [true, false]
    )
    func bound(asksKernel: Bool) throws {
        let socket = try bind(path)
        let held = try UNIXSocketFile(
            boundBy: socket.rawValue,
            at: path,
            endpoint: "unix:a",
            asksKernel: asksKernel
        )
        try held.set(UNIXAccess(mode: 0o640, user: nil, group: nil), endpoint: "unix:a")
        #expect(file(path).mode & 0o777 == 0o640)
        held.remove()
        #expect(directory.entries.isEmpty)
        _ = consume socket
    }
}
