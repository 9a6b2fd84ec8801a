// Spelling: which of the good names a wrong one was meant to be.
//
// The distance is that of optimal string alignment: an insertion, a deletion, a change or a swap of
// neighbours counts one (so that `tpc` is near `tcp`). Only short names are compared, since the
// work is the product of the lengths and the string may come from anybody.

import EndpointsCore

/// Finds the name that was probably meant.
enum Spelling {
    /// A question with the nearest name in it; `nil` if none is near.
    static func suggestion(for name: String, among names: [String]) -> String? {
        nearest(to: name, among: names).map { "did you mean \"\($0)\"?" }
    }

    /// The nearest name, at most a third of its letters away; the first of several.
    static func nearest(to name: String, among names: [String]) -> String? {
        let given = scalars(of: name)
        if given.isEmpty || given.count > 32 { return nil }
        var best: (name: String, distance: Int)?
        for candidate in names {
            let wanted = scalars(of: candidate)
            let isLonger =
                given.count > 2 && (wanted.starts(with: given) || given.starts(with: wanted))
            let found = isLonger ? 1 : distance(given, wanted)
            if found <= max(1, wanted.count / 3), found < best?.distance ?? Int.max {
                best = (candidate, found)
            }
        }
        return best?.name
    }

    private static func scalars(of name: String) -> [Unicode.Scalar] {
        Array(name.asciiLowercased.unicodeScalars.prefix(40))
    }

    private static func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                let isSame = a[i] == b[j]
                var cost = min(row[j] + 1, last[j + 1] + 1, last[j] + (isSame ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
                    cost = min(cost, beforeLast[j - 1] + 1)
                }
                row.append(cost)
            }
            beforeLast = last
            last = row
        }
        return last[b.count]
    }
}
