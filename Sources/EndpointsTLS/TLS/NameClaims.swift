// Which certificate serves which name. The first that claims a name wins; another that claims it, too, is
// never shown to a client that asks for the name, which should surprise nobody: so it is reported, with
// the reason why the other comes first. Of one pair of certificates there is one sentence, for
// certificates that claim a name together often claim dozens.

import EndpointsCore

/// The contexts of a server by name.
struct NameClaims {
    private static let maximumReports = 20

    private struct Pair: Hashable {
        let winner: Int
        let loser: Int
    }

    private var identities: [LoadedIdentity] = []
    private var contexts: [TLSContext] = []
    private var exact: [String: Int] = [:]
    /// By what comes after `*`.
    private var wildcard: [String: Int] = [:]
    private var contested: [Pair: [String]] = [:]
    private var pairs: [Pair] = []

    /// Adds a certificate, which loses against those before it.
    mutating func add(_ identity: LoadedIdentity, _ context: TLSContext) {
        let index = identities.count
        identities.append(identity)
        contexts.append(context)
        for name in identity.leaf.names {
            let name = name.asciiLowercased
            let winner =
                name.hasPrefix("*.")
                ? Self.claim(String(name.dropFirst()), for: index, in: &wildcard)
                : Self.claim(name, for: index, in: &exact)
            guard winner != index, identities[winner].leaf != identity.leaf else { continue }
            let pair = Pair(winner: winner, loser: index)
            if contested[pair] == nil { pairs.append(pair) }
            contested[pair, default: []].append(name)
        }
    }

    /// The one that has the name.
    private static func claim(_ name: String, for index: Int, in names: inout [String: Int]) -> Int
    {
        let winner = names[name] ?? index
        names[name] = winner
        return winner
    }

    /// The context for a name in lower case, without a dot at its end; `nil` if there is none.
    func context(for name: String) -> TLSContext? {
        if let index = exact[name] { return contexts[index] }
        guard let dot = name.firstIndex(of: ".") else { return nil }
        return wildcard[String(name[dot...])].map { contexts[$0] }
    }

    /// A sentence for each two certificates that claim the same names.
    var conflicts: [String] {
        var sentences = pairs.prefix(Self.maximumReports).map(sentence)
        if pairs.count > sentences.count {
            let rest = pairs.count - sentences.count
            sentences.append("\(rest) more pairs of certificates claim the same names")
        }
        return sentences
    }

    private func sentence(_ pair: Pair) -> String {
        let (winner, loser) = (identities[pair.winner], identities[pair.loser])
        let names = contested[pair] ?? []
        let shown = names.prefix(3).map { "\"\($0)\"" }.joined(separator: ", ")
        let more = names.count > 3 ? " and \(names.count - 3) more names" : ""
        return "\(shown)\(more): both \"\(winner.path)\" and \"\(loser.path)\" have a certificate;"
            + " the one in \"\(winner.path)\" is used, \(Self.reason(winner, loser))"
    }

    private static func reason(_ winner: LoadedIdentity, _ loser: LoadedIdentity) -> String {
        if !winner.isOfDirectory { return "which the configuration names first" }
        if winner.isValid != loser.isValid { return "since the other is not valid now" }
        let (newer, older) = (winner.leaf.notBefore, loser.leaf.notBefore)
        return newer == older
            ? "whose file comes first" : "which is newer (valid from \(newer), not \(older))"
    }
}
