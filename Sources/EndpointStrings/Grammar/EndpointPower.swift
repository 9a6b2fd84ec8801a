// EndpointPower: what a string can do besides opening network connections.
//
// An endpoint string is a small program. In an operator's configuration that is the point; in a string
// that contains a stranger's text it is a shell. So kinds and arguments declare what they can do, and a
// registry can refuse all who declare something: also those of endpoints within, since every level is
// read with the same registry.
//
// Files that are only read stay allowed: certificates and keys, without which no TLS server can exist.
// Their contents never leave the process, but an error tells whether such a file exists and can be
// read. `passwordFile` is different: its first line goes to a proxy that the string names.

/// What a kind of endpoint, or one of its arguments, can do besides opening network connections.
public enum EndpointPower: String, Hashable, Sendable, CaseIterable {
    /// It runs a program: `process:`.
    case runsProgram
    /// It uses a descriptor that the process already has, by its number or name: `fd:`, `systemd:`.
    case adoptsDescriptor
    /// It uses standard input and output: `stdio:`.
    case usesStandardStreams
    /// It writes to a file: `keyLog=`.
    case writesFile
    /// It sends what is in a file to the peer: `passwordFile=`.
    case sendsFile
    /// It reaches what only this host or this process can reach: `unix:`, `memory:`.
    ///
    /// On many hosts a UNIX socket, such as a container engine's, is as good as a shell.
    case reachesLocalSocket

    /// What it does, as a verb phrase.
    var phrase: String {
        switch self {
        case .runsProgram: "runs a program"
        case .usesStandardStreams: "uses standard input and output"
        case .adoptsDescriptor: "uses a descriptor that the process already has"
        case .writesFile: "writes to a file"
        case .sendsFile: "sends what is in a file"
        case .reachesLocalSocket: "reaches a socket that the network cannot reach"
        }
    }

    /// What `explain` warns of; `nil` for what the kind's name says.
    var warning: String? {
        switch self {
        case .runsProgram, .adoptsDescriptor, .writesFile, .sendsFile: phrase
        case .usesStandardStreams, .reachesLocalSocket: nil
        }
    }
}

extension Set<EndpointPower> {
    /// All of them, in the order of their declaration.
    var sorted: [EndpointPower] { EndpointPower.allCases.filter(contains) }
}

extension EndpointRegistry {
    /// Returns the same registry without the kinds and arguments that can do one of these things.
    ///
    /// Kinds that are registered afterwards are held to it, too.
    ///
    /// - Parameter powers: What to refuse, besides what is refused already.
    /// - Returns: The registry.
    public func refusing(_ powers: Set<EndpointPower>) -> EndpointRegistry {
        var registry = self
        registry.refusedPowers.formUnion(powers)
        return registry
    }
}
