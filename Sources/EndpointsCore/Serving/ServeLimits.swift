/// How much a server lets its clients have of it.
///
/// What is `nil` has no limit, and costs nothing.
public struct ServeLimits: Sendable, Hashable {
    /// How many connections may be open at once; more wait in the kernel's queue.
    ///
    /// 100,000 unless told; at least 1.
    public var connections: Int
    /// How many connections may be on their way through a handshake or a PROXY header at once.
    ///
    /// One more pushes out the one that has been at it longest, if that has had a second; else it waits.
    /// 1024 unless told; at least 1.
    public var handshakes: Int
    /// How long no byte may pass either way before a connection is reset; see
    /// ``Connection/idleTimeout``.
    public var idleTime: Duration?
    /// How long a connection may live, from when its handler begins; then it is reset.
    ///
    /// Whoever waits on it gets ``EndpointError`` with code `timedOut`.
    public var totalTime: Duration?
    /// How often one source may connect.
    public var sourceRate: SourceRate?

    /// Makes limits of those that differ from the usual ones.
    ///
    /// - Parameters:
    ///   - connections: How many connections may be open at once.
    ///   - handshakes: How many may be on their way to be ready at once.
    ///   - idleTime: How long no byte may pass; `nil` for ever.
    ///   - totalTime: How long a connection may live; `nil` for ever.
    ///   - sourceRate: How often one source may connect; `nil` as often as it likes.
    public init(
        connections: Int = 100_000,
        handshakes: Int = 1024,
        idleTime: Duration? = nil,
        totalTime: Duration? = nil,
        sourceRate: SourceRate? = nil
    ) {
        self.connections = connections
        self.handshakes = handshakes
        self.idleTime = idleTime
        self.totalTime = totalTime
        self.sourceRate = sourceRate
    }
}

/// How often one source may connect: so many times a second in the long run, with bursts.
///
/// A source is an IPv4 address, or the first 64 bits of an IPv6 address, which a network gives to one
/// host (RFC 7934, section 6). Behind `haproxy:` it is the one that the header names. A connection
/// over the limit is reset before its handshake, and reported by ``Listener/events`` with code
/// `rateExceeded`. What has no IP address, such as a UNIX socket, is not limited.
public struct SourceRate: Sendable, Hashable {
    /// How many connections a second, in the long run; may be a fraction.
    ///
    /// What is not above 0 lets a source have its burst, and then nothing.
    public var perSecond: Double
    /// How many at once, after a while without any; at least 1.
    public var burst: Int
    /// How many sources are remembered, which bounds the memory: about 60 bytes for each.
    ///
    /// With more of them, those that were not seen for longest begin anew.
    public var sources: Int

    /// Makes a rate.
    ///
    /// - Parameters:
    ///   - perSecond: How many connections a second, in the long run; above 0.
    ///   - burst: How many at once.
    ///   - sources: How many sources are remembered.
    public init(perSecond: Double, burst: Int, sources: Int = 65_536) {
        self.perSecond = perSecond
        self.burst = burst
        self.sources = sources
    }
}

extension EndpointError.Code {
    /// A peer connects more often than it may (``ServeLimits/sourceRate``).
    public static let rateExceeded = Self("rateExceeded")
}
