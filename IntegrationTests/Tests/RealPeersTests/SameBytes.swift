import Testing

/// Expects two streams to be the same, and says where they part; the test library's own comparison
/// looks for the shortest edit, which with ten mebibytes never ends.
func expectSame(
    _ bytes: [UInt8],
    _ expected: [UInt8],
    sourceLocation: SourceLocation = #_sourceLocation
) {
    if bytes == expected { return }
    let place = zip(bytes, expected).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    Issue.record(
        """
        \(bytes.count) bytes instead of \(expected.count); \
        the first that differs is at \(place.map(String.init) ?? "the end")
        """,
        sourceLocation: sourceLocation
    )
}
