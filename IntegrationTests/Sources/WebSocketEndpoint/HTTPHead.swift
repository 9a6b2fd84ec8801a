// A head of HTTP/1.1: a line, fields, an empty line (RFC 9112). Lines end with CR LF and nothing
// else, a folded line or a space before a colon is refused, and the whole is bounded.

/// A start line and fields.
struct HTTPHead: Sendable {
    /// The first line.
    let startLine: String
    /// How many bytes the head took.
    let length: Int
    private let fields: [(name: String, value: String)]

    /// Reads a head at the start of `bytes`; `nil` while its empty line has not come.
    init?(_ bytes: [UInt8], limit: Int) throws(WebSocketHandshake.Refusal) {
        var lines: [[UInt8]] = []
        var line: [UInt8] = []
        var position = 0
        while lines.last != [] {
            guard position < bytes.count else { return nil }
            let byte = bytes[position]
            position += 1
            guard position <= limit else { throw Self.malformed("more than \(limit) bytes") }
            if byte == UInt8(ascii: "\n") {
                guard line.popLast() == UInt8(ascii: "\r") else {
                    throw Self.malformed("a line without CR LF")
                }
                lines.append(line)
                line = []
            } else {
                guard line.last != UInt8(ascii: "\r") else { throw Self.malformed("a lone CR") }
                guard byte >= 0x20 && byte != 0x7F || byte == 0x09 || byte == 0x0D else {
                    throw Self.malformed("a control character")
                }
                line.append(byte)
            }
        }
        var fields: [(name: String, value: String)] = []
        for line in lines.dropFirst().dropLast() {
            fields.append(try Self.field(line))
        }
        startLine = String(decoding: lines.first ?? [], as: UTF8.self)
        length = position
        self.fields = fields
    }

    /// The values of all fields of a name, which is given in lower case.
    func values(_ name: String) -> [String] {
        fields.filter { $0.name == name }.map(\.value)
    }

    /// The comma-separated members of such fields, in lower case.
    func tokens(_ name: String) -> [String] {
        values(name).flatMap { $0.split(separator: ",") }.map {
            Self.trimmed(Array($0.utf8)).lowercased()
        }
    }

    private static func field(
        _ line: [UInt8]
    ) throws(WebSocketHandshake.Refusal) -> (name: String, value: String) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            line[..<colon].allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { throw malformed("a field without a name") }
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        return (name, trimmed(line[(colon + 1)...]))
    }

    private static func trimmed(_ bytes: some BidirectionalCollection<UInt8>) -> String {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        let text = bytes.drop(while: isSpace).reversed().drop(while: isSpace).reversed()
        return String(decoding: Array(text), as: UTF8.self)
    }

    private static func malformed(_ what: String) -> WebSocketHandshake.Refusal {
        WebSocketHandshake.Refusal(status: 400, description: "a malformed head: \(what)")
    }
}
