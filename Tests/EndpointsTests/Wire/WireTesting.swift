// Chance that can be repeated: a failure names its seed by naming its input.

import Glibc

/// How many random inputs a loop tries: `count`, or what ENDPOINTS_FUZZ_ROUNDS says.
func fuzzRounds(_ count: Int) -> Range<Int> {
    let told = getenv("ENDPOINTS_FUZZ_ROUNDS").flatMap { Int(String(cString: $0)) }
    return 0..<max(told ?? count, 0)
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

extension [UInt8] {
    /// A copy with a few bytes changed, put in, taken out or doubled, or the end cut off.
    func mutated(using generator: inout SeededGenerator) -> [UInt8] {
        var copy = self
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let place = Int.random(in: 0...copy.count, using: &generator)
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: copy.insert(.random(in: 0...255, using: &generator), at: place)
            case 1 where place < copy.count: copy.remove(at: place)
            case 2 where place < copy.count:
                copy[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            case 3 where place < copy.count:
                copy[place] = copy.randomElement(using: &generator) ?? 0
            case 4: copy.removeSubrange(place...)
            default: break
            }
        }
        return copy
    }

    static func random(count: Int, using generator: inout SeededGenerator) -> [UInt8] {
        (0..<count).map { _ in .random(in: 0...255, using: &generator) }
    }
}
