// Cutting a byte stream into frames: a decoder is a value that looks at what has come and takes one
// frame off its front, or asks for more. It neither reads nor waits.

/// Takes frames off the front of what was read.
public protocol FrameDecoder: Sendable {
    /// What the stream is cut into.
    associatedtype Frame: Sendable

    /// Removes the first frame from `buffer` and returns it.
    ///
    /// - Returns: The frame; `nil` when more bytes are needed, and then the buffer is as it was.
    /// - Throws: What is wrong with the stream; reading frames ends with it.
    mutating func next(in buffer: inout ReadBuffer) throws -> Frame?
}

/// Frames that end with a byte of their own, which is not part of them.
public struct DelimitedFrames: FrameDecoder {
    private let delimiter: UInt8
    let limit: Int
    private var searched = 0

    init(delimiter: UInt8, limit: Int) {
        self.delimiter = delimiter
        self.limit = limit
    }

    /// Removes the first frame from `buffer` and returns it without its delimiter.
    ///
    /// - Throws: ``EndpointError`` with code `tooLong` if the frame is over the limit.
    public mutating func next(in buffer: inout ReadBuffer) throws -> [UInt8]? {
        guard let end = buffer.firstIndex(of: delimiter, from: searched) else {
            if buffer.count > limit { throw frameTooLong(limit) }
            searched = buffer.count
            return nil
        }
        searched = 0
        if end > limit { throw frameTooLong(limit) }
        let frame = buffer.prefix(end)
        buffer.removeFirst(end + 1)
        return frame
    }
}

/// Frames that begin with their length, big-endian, itself not counted.
public struct LengthPrefixedFrames<Length: FixedWidthInteger & UnsignedInteger & Sendable>:
    FrameDecoder
{
    let limit: Int

    /// Removes the first frame from `buffer` and returns it without its length.
    ///
    /// - Throws: ``EndpointError`` with code `tooLong` if the length is over the limit; it is seen
    ///   before the frame has come.
    public mutating func next(in buffer: inout ReadBuffer) throws -> [UInt8]? {
        let prefix = MemoryLayout<Length>.size
        guard buffer.count >= prefix else { return nil }
        let length = buffer.readable.loadUnaligned(as: Length.self).bigEndian
        guard let count = Int(exactly: length), count <= limit else { throw frameTooLong(limit) }
        guard buffer.count - prefix >= count else { return nil }
        buffer.removeFirst(prefix)
        let frame = buffer.prefix(count)
        buffer.removeFirst(count)
        return frame
    }
}

extension FrameDecoder where Self == DelimitedFrames {
    /// Frames that end with `delimiter`, which is not part of them.
    ///
    /// - Parameters:
    ///   - delimiter: The byte that ends a frame.
    ///   - limit: The longest frame, in bytes; 1 MiB unless told.
    /// - Returns: The decoder.
    public static func delimited(by delimiter: UInt8, limit: Int = 1 << 20) -> DelimitedFrames {
        DelimitedFrames(delimiter: delimiter, limit: boundedLimit(limit))
    }
}

extension FrameDecoder {
    /// Frames that begin with their length, big-endian, itself not counted.
    ///
    /// - Parameters:
    ///   - type: The length's type, such as `UInt32.self`.
    ///   - limit: The longest frame, in bytes; 1 MiB unless told.
    /// - Returns: The decoder.
    public static func lengthPrefixed<Length>(
        _ type: Length.Type,
        limit: Int = 1 << 20
    ) -> LengthPrefixedFrames<Length> where Self == LengthPrefixedFrames<Length> {
        LengthPrefixedFrames(limit: boundedLimit(limit))
    }
}

/// A limit to which a delimiter or a length can be added.
func boundedLimit(_ limit: Int) -> Int { min(max(limit, 0), Int.max / 2) }

func frameTooLong(_ limit: Int) -> EndpointError {
    EndpointError(
        .tooLong,
        operation: "read",
        reason: "the frame is longer than \(limit) bytes"
    )
}
