import Testing

@testable import WebSocketEndpoint

@Suite("WebSocket frames")
struct WebSocketFramesTests {
    /// Feeds bytes in pieces; data of neighbouring events is joined.
    private func events(
        _ bytes: [UInt8],
        piece: Int = .max,
        role: WebSocketRole = .client
    ) throws -> [WebSocketDecoder.Event] {
        var decoder = WebSocketDecoder(role: role)
        var events: [WebSocketDecoder.Event] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            var input = rest.prefix(piece)
            rest = rest.dropFirst(piece)
            while let event = try decoder.next(in: &input) {
                if case .data(let more) = event, case .data(let before) = events.last {
                    events[events.count - 1] = .data(before + more)
                } else {
                    events.append(event)
                }
            }
            #expect(input.isEmpty)
        }
        return events
    }

    @Test("the RFC's examples are read (section 5.7)")
    func examples() throws {
        let hello = Array("Hello".utf8)
        #expect(try events([0x81, 0x05] + hello) == [.data(hello)])
        let masked: [UInt8] = [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]
        #expect(try events(masked, role: .server) == [.data(hello)])
        #expect(try events([0x01, 3, 72, 101, 108, 0x80, 2, 108, 111]) == [.data(hello)])
        #expect(try events([0x89, 0x05] + hello) == [.ping(hello)])
        #expect(try events([0x8A, 0]) == [.pong([])])
    }

    @Test("every length round-trips, masked and not, in any pieces", arguments: [true, false])
    func lengths(fromClient: Bool) throws {
        var random = SeededGenerator()
        let encoder = WebSocketEncoder(role: fromClient ? .client : .server)
        for count in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let frame = encoder.frame(payload, using: &random)
            let expected: [WebSocketDecoder.Event] = count == 0 ? [] : [.data(payload)]
            let role: WebSocketRole = fromClient ? .server : .client
            for piece in [Int.max, 1000, 7, 1] where piece >= count / 1000 {
                #expect(try events(frame, piece: piece, role: role) == expected)
            }
        }
    }

    @Test("control frames between fragments do not disturb them")
    func interleaved() throws {
        let bytes: [UInt8] = [
            0x02, 1, 1, 0x89, 1, 9, 0x00, 1, 2, 0x80, 1, 3, 0x88, 2, 3, 0xE8, 1, 2,
        ]
        let expected: [WebSocketDecoder.Event] = [
            .data([1]), .ping([9]), .data([2, 3]), .close(code: 1000, reason: ""),
        ]
        #expect(try events(bytes) == expected)
        #expect(try events(bytes, piece: 1) == expected)
    }

    @Test("a close carries a code and a reason, or nothing")
    func close() throws {
        var random = SeededGenerator()
        let encoder = WebSocketEncoder(role: .server)
        let bytes = encoder.close(code: 3000, reason: "bye", using: &random)
        #expect(try events(bytes) == [.close(code: 3000, reason: "bye")])
        #expect(try events([0x88, 0]) == [.close(code: nil, reason: "")])
        let long = String(repeating: "é", count: 100)
        let cut = try events(encoder.close(reason: long, using: &random))
        #expect(cut == [.close(code: 1000, reason: String(repeating: "é", count: 61))])
    }

    @Test(
        "a violation is refused with its code",
        arguments: [
            ([0xC1, 0], 1002), ([0x83, 0], 1002), ([0x8B, 0], 1002), ([0x09, 0], 1002),
            ([0x89, 126], 1002), ([0x80, 0], 1002), ([0x01, 0, 0x81, 0], 1002),
            ([0x82, 0x80], 1002),
            ([0x82, 126, 0, 125], 1002), ([0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], 1002),
            ([0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002), ([0x88, 1, 3], 1002),
            ([0x88, 2, 3, 0xED], 1002), ([0x88, 2, 0, 0], 1002), ([0x88, 3, 3, 0xE8, 0xFF], 1007),
        ] as [([UInt8], UInt16)]
    )
    func violations(bytes: [UInt8], code: UInt16) {
        #expect { try events(bytes) } throws: { ($0 as? WebSocketViolation)?.closeCode == code }
        #expect {
            try events(bytes, piece: 1)
        } throws: {
            ($0 as? WebSocketViolation)?.closeCode == code
        }
    }

    @Test("a frame over the limit is refused once its length is known, one at it is not")
    func limit() throws {
        var decoder = WebSocketDecoder(role: .client, limit: 300)
        var input: ArraySlice<UInt8> = [0x82, 126, 1, 44, 7]
        #expect(try decoder.next(in: &input) == .data([7]))
        for head in [[0x82, 126, 1, 45], [0x82, 127, 0x7F] + [UInt8](repeating: 255, count: 7)] {
            var decoder = WebSocketDecoder(role: .client, limit: 300)
            var input = (head as [UInt8])[...]
            #expect {
                try decoder.next(in: &input)
            } throws: {
                ($0 as? WebSocketViolation)?.closeCode == 1009
            }
        }
    }

    @Test("a client's frame must be masked")
    func unmasked() {
        #expect(throws: WebSocketViolation.self) { try events([0x82, 0], role: .server) }
    }

    @Test("random bytes never trap, in any pieces")
    func random() {
        var random = SeededGenerator()
        for _ in 0..<50_000 {
            let count = Int.random(in: 1...24, using: &random)
            var bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            bytes[0] &= 0x8F
            let role: WebSocketRole = Bool.random(using: &random) ? .client : .server
            let whole = Result { try events(bytes, role: role) }
            let pieces = Result { try events(bytes, piece: 1, role: role) }
            #expect((try? whole.get()) == (try? pieces.get()), "\(bytes)")
        }
    }
}

/// Chance that can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64 = 1

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
