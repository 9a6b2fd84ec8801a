import Endpoints
import Foundation
import Testing

@Suite("endpoint explain --check", .timeLimit(.minutes(1)))
struct ExplainCheckTests {
    private struct Answer: Decodable {
        let kind: String
        let checks: [Check]
    }
    private struct Check: Decodable {
        let name: String
        let ok: Bool
        let message: String
    }

    private func check(
        _ string: String,
        _ options: [String] = []
    ) async throws -> (checks: [Check], status: Int32) {
        let end = try await ToolProcess(["explain", "--check", "--json"] + options + [string])
            .finish()
        #expect(end.errors == "")
        let answer = try JSONDecoder().decode(Answer.self, from: Data(end.output.utf8))
        return (answer.checks, end.status)
    }

    /// Expects one failure, of this argument and with this in its message.
    private func expectFailure(
        _ string: String,
        _ options: [String] = [],
        name: String,
        _ part: String
    ) async throws {
        let (checks, status) = try await check(string, options)
        let failures = checks.filter { !$0.ok }
        #expect(failures.map(\.name) == [name], "\(string)")
        #expect(failures.first?.message.contains(part) == true, "\(failures)")
        #expect(status == 1)
    }

    @Test("a port is free, or taken by somebody who is not disturbed")
    func port() async throws {
        let listener = try await serverFromString("tcp:0:interface=127.0.0.1").listen()
        let port = try #require(listener.addresses.first?.port)
        try await expectFailure(
            "tcp:\(port):interface=127.0.0.1",
            name: "port",
            "address already in use (EADDRINUSE)"
        )
        let foreign = "tcp:0:interface=192.0.2.1"
        try await expectFailure(foreign, name: "port", "no interface of this host has the address")
        await listener.close()
        let (checks, status) = try await check("tcp:\(port):interface=127.0.0.1")
        #expect(checks.map(\.message) == ["127.0.0.1:\(port) is free"])
        #expect(status == 0)
    }

    @Test("a host is resolved, and a literal is what it is")
    func host() async throws {
        let (checks, status) = try await check("tcp:localhost:80", ["--client"])
        #expect(status == 0)
        let begin = "localhost has the addresses, in the order"
        #expect(checks.first?.message.hasPrefix(begin) == true)
        #expect(checks.first?.message.contains("127.0.0.1") == true)
        let literal = try await check("tcp:192.0.2.1:80", ["--client"])
        #expect(literal.checks.map(\.message) == ["192.0.2.1 is an address"])
        let foreign = "tcp:127.0.0.1:80:bindAddress=192.0.2.7"
        try await expectFailure(foreign, name: "bindAddress", "no interface of this host")
    }

    @Test("a good certificate is told of with its dates and names")
    func goodCertificate() async throws {
        let certificates = try TestCertificates()
        try certificates.make("good", names: "DNS:*.example.com,IP:192.0.2.1", by: "ca")
        let server = "tls:0:interface=127.0.0.1:privateKey=\(certificates.file("good.pem"))"
        let (checks, status) = try await check(server)
        #expect(status == 0)
        #expect(checks.contains { $0.message.contains("valid until ") })
        #expect(checks.contains { $0.message == "it is for *.example.com, 192.0.2.1" })
        for host in ["www.example.com", "192.0.2.1"] {
            #expect(try await check(server, ["--host", host]).status == 0, "\(host)")
        }
        for host in ["example.com", "a.b.example.com", "192.0.2.2"] {
            let reason = "not for \(host)"
            try await expectFailure(server, ["--host", host], name: "privateKey", reason)
        }
    }

    @Test("certificates that claim the same name are reported, with the one that is used")
    func sameName() async throws {
        let certificates = try TestCertificates()
        try certificates.make("new", names: "DNS:a.example", days: -10...100, by: "ca")
        try certificates.make("old", names: "DNS:a.example", days: -30...100, by: "ca")
        let folder = certificates.path
        let (checks, status) = try await check("tls:port=0:interface=127.0.0.1:path=\(folder)")
        #expect(status == 0)
        let message = try #require(checks.first { $0.name == "serverName" }).message
        #expect(
            message.contains("\"a.example\": both \"\(folder)/new.pem\" and \"\(folder)/old.pem\"")
        )
        #expect(message.contains("the one in \"\(folder)/new.pem\" is used, which is newer"))
    }

    @Test(
        "the dates of a certificate count",
        arguments: [
            (-30 ... -1, false, "expired on"), (1...30, false, "is not valid before"),
            (-30...3, true, "that is soon, renew it"), (-30...100, true, "valid until"),
        ]
    )
    func dates(days: ClosedRange<Int>, isOK: Bool, part: String) async throws {
        let certificates = try TestCertificates()
        try certificates.make("server", names: "DNS:localhost", days: days, by: "ca")
        let server = "tls:0:interface=127.0.0.1:privateKey=\(certificates.file("server.pem"))"
        let (checks, status) = try await check(server)
        #expect(status == (isOK ? 0 : 1))
        #expect(checks.first { $0.message.contains(part) }?.ok == isOK)
    }

    @Test("files that are missing, or do not fit each other, are named with their argument")
    func files() async throws {
        let certificates = try TestCertificates()
        try certificates.make("one", names: "DNS:localhost", by: "ca")
        try certificates.make("two", names: "DNS:localhost", by: "ca")
        try certificates.write("no PEM at all", to: "text")
        let (one, two) = (certificates.file("one.key"), certificates.file("two.pem"))
        let server = "tls:0:interface=127.0.0.1"
        try await expectFailure(
            "\(server):privateKey=\(one):certificate=\(two)",
            name: "privateKey",
            "does not fit the certificate"
        )
        try await expectFailure("\(server):privateKey=/nowhere.pem", name: "privateKey", "ENOENT")
        let text = certificates.file("text")
        try await expectFailure(
            "\(server):privateKey=\(two):stapledResponse=\(text)",
            name: "stapledResponse",
            "holds no OCSP response"
        )
        try await expectFailure(
            "tls:127.0.0.1:443:trustRoots=\(text)",
            name: "trustRoots",
            "holds no certificate"
        )
        let inNowhere = "\(server):privateKey=\(two):stapledResponse=/nowhere.ocsp"
        try await expectFailure(inNowhere, name: "stapledResponse", "ENOENT")
        let logNowhere = "\(server):privateKey=\(two):keyLog=/nowhere/key.log"
        try await expectFailure(logNowhere, name: "keyLog", "ENOENT")
        let log = certificates.file("key.log")
        _ = try await check("tls:127.0.0.1:443:trustRoots=\(two):keyLog=\(log)")
        #expect(!FileManager.default.fileExists(atPath: log))
    }

    @Test("nested endpoints are looked at too, under their argument's name")
    func nested() async throws {
        let certificates = try TestCertificates()
        let missing = certificates.file("missing.sock")
        try await expectFailure(
            "tls:example.com:443:endpoint=[unix:\(missing)]:trustRoots="
                + certificates.file("ca.pem"),
            name: "endpoint.path",
            "no such file or directory (ENOENT)"
        )
        try await expectFailure(
            "socks5:example.com:1:proxy=[unix:\(missing)]:user=u:passwordFile=/nowhere",
            name: "passwordFile",
            "ENOENT",
            and: "proxy.path"
        )
        let server = "haproxy:tls:0:interface=127.0.0.1:privateKey=/nowhere"
        try await expectFailure(server, name: "endpoint.privateKey", "ENOENT")
    }

    private func expectFailure(
        _ string: String,
        name: String,
        _ part: String,
        and other: String
    ) async throws {
        let failures = try await check(string).checks.filter { !$0.ok }
        #expect(failures.map(\.name) == [name, other])
        #expect(failures.first?.message.contains(part) == true)
    }

    @Test("a UNIX path is free, taken, left behind, or something else; nobody is connected to")
    func unix() async throws {
        let certificates = try TestCertificates()
        let path = certificates.file("a.sock")
        #expect(try await check("unix:\(path)", ["--server"]).status == 0)
        let listener = try await serverFromString("unix:\(path)").listen()
        try await expectFailure("unix:\(path)", ["--server"], name: "address", "is listening at")
        #expect(try await check("unix:\(path)", ["--client"]).status == 0)
        await listener.close()
        try await expectFailure("unix:\(path)", ["--client"], name: "path", "ENOENT")
        try certificates.write("", to: "file")
        let file = certificates.file("file")
        try await expectFailure("unix:\(file)", ["--server"], name: "address", "no socket")
        try await expectFailure("unix:\(file)", ["--client"], name: "path", "is no socket")
        try await expectFailure("unix:/nowhere/a", ["--server"], name: "address", "ENOENT")
    }

    @Test("a program is found and can be run, or why not")
    func program() async throws {
        let certificates = try TestCertificates()
        #expect(try await check("process:sh").status == 0)
        #expect(try await check("process:/bin/sh:directory=/").status == 0)
        try await expectFailure("process:no-such-program", name: "path", "in no directory of PATH")
        try certificates.write("", to: "text")
        let text = "process:\(certificates.file("text"))"
        try await expectFailure(text, name: "path", "cannot be run")
        try await expectFailure("process:sh:directory=/nowhere", name: "directory", "ENOENT")
    }

    @Test("a descriptor is what it should be, or it is said what it is")
    func descriptors() async throws {
        try await expectFailure("fd:1", ["--server"], name: "descriptor", "descriptor 1 is a pipe")
        try await expectFailure("fd:777", ["--client"], name: "descriptor", "is not open")
        try await expectFailure("systemd:name=web", name: "name", "not started by systemd")
    }

    @Test("in words: each check a line, and 1 if any failed")
    func text() async throws {
        let failed = try await ToolProcess(["explain", "--check", "process:no-such-program"])
            .finish()
        #expect(failed.status == 1)
        #expect(failed.output.contains("\nchecks:\n  FAILED  path  \"no-such-program\" is in no "))
        let tool = try ToolProcess(["explain", "--check", "-"])
        try await tool.stream.write("process:sh\nprocess:no-such-program\nstdio:\n".utf8)
        try await tool.stream.closeWrite()
        let lines = try await tool.finish()
        #expect(lines.status == 1)
        #expect(lines.output.hasPrefix("client process:path=sh; checks: ok\n"))
        #expect(lines.output.contains("; checks FAILED: path: \"no-such-program\" is in no"))
        #expect(
            lines.errors.hasPrefix("warning: client process:path=sh: process: runs a program\n")
        )
        let useless = try await ToolProcess(["explain", "--host", "a", "tcp:1"]).finish()
        #expect(useless.status == 64)
    }
}
