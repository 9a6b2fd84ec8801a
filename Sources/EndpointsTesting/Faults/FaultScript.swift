// What goes wrong, and when: a script for one direction of a connection. It is counted in bytes, not
// in time, so that a run is the same however fast the machine is; where chance comes in it comes from
// the seed.

/// Faults of one direction of a connection.
///
/// ```swift
/// let script = FaultScript(seed: 7, [.split(into: 1...3), .reset(after: 10_000)])
/// ```
public struct FaultScript: Sendable, Hashable, CustomStringConvertible {
    /// One fault.
    public enum Fault: Sendable, Hashable {
        /// Each chunk is held for a time out of the range.
        case delay(ClosedRange<Duration>)
        /// Chunks are cut into pieces of a length out of the range.
        case split(into: ClosedRange<Int>)
        /// Bytes are held until there are as many as a number out of the range, or the end comes.
        case coalesce(ClosedRange<Int>)
        /// After so many bytes nothing passes for a time.
        case stall(after: Int, for: Duration)
        /// After so many bytes nothing passes any more, and no end either.
        case blackhole(after: Int)
        /// After so many bytes both ends see a reset.
        case reset(after: Int)
        /// After so many bytes the direction ends as if the sender had ended it.
        case halfClose(after: Int)
        /// One bit in so many bytes is flipped, by chance.
        case corrupt(oneIn: Int)
        /// No more than so many bytes pass in a second.
        case bandwidth(bytesPerSecond: Int)
    }

    /// Decides all that is left to chance.
    public var seed: UInt64
    /// The faults; all of them hold at once.
    public var faults: [Fault]

    /// Makes a script.
    ///
    /// - Parameters:
    ///   - seed: Decides all that is left to chance.
    ///   - faults: The faults; none unless told.
    public init(seed: UInt64 = 0, _ faults: [Fault] = []) {
        self.seed = seed
        self.faults = faults
    }

    /// Makes a script of some faults that a network may have and a stream survives: every byte
    /// arrives, in order, in pieces and at times that the seed decides.
    ///
    /// - Parameter seed: Decides the faults too.
    /// - Returns: The script.
    public static func harmless(seed: UInt64) -> FaultScript {
        var generator = SeededGenerator(seed: seed)
        var faults: [Fault] = []
        if Bool.random(using: &generator) {
            faults.append(.coalesce(1...Int.random(in: 1...5_000, using: &generator)))
        }
        if Bool.random(using: &generator) {
            faults.append(.split(into: 1...Int.random(in: 1...2_000, using: &generator)))
        }
        if Bool.random(using: &generator) {
            faults.append(.delay(.zero ... .microseconds(200)))
        }
        if Bool.random(using: &generator) {
            let place = Int.random(in: 0...50_000, using: &generator)
            faults.append(.stall(after: place, for: .milliseconds(5)))
        }
        return FaultScript(seed: seed, faults)
    }

    /// The seed and the faults.
    public var description: String { "seed \(seed): \(faults)" }
}

/// What to do next with the bytes of one direction: the script as a value that walks through them.
struct FaultWalk {
    /// One step; the pump takes it and asks again.
    enum Step: Equatable {
        /// Wait, then go on.
        case wait(Duration)
        /// Wait, while nothing passes at all.
        case stall(Duration)
        /// Pass these bytes on.
        case pass([UInt8])
        /// End the direction, and drop what still comes.
        case end
        /// Reset both ends.
        case reset
        /// Drop what still comes, and never end.
        case vanish
    }

    private let script: FaultScript
    private var generator: SeededGenerator
    private var passed = 0
    private var held: [UInt8] = []
    private var wanted = 0
    private var stalls: [(place: Int, time: Duration)] = []
    /// A fault that ends it all: where, and how.
    private var fate: (place: Int, step: Step)?

    init(_ script: FaultScript) {
        self.script = script
        generator = SeededGenerator(seed: script.seed)
        for fault in script.faults {
            switch fault {
            case .stall(let place, let time): stalls.append((place, time))
            case .reset(let place): meet(place, .reset)
            case .halfClose(let place): meet(place, .end)
            case .blackhole(let place): meet(place, .vanish)
            case .delay, .split, .coalesce, .corrupt, .bandwidth: break
            }
        }
        stalls.sort { $0.place < $1.place }
    }

    private mutating func meet(_ place: Int, _ step: Step) {
        if let fate, fate.place <= place { return }
        fate = (place, step)
    }

    /// What to do before anything has come.
    mutating func begin() -> [Step] {
        if let fate, fate.place <= 0 { return [fate.step] }
        return []
    }

    /// What to do with bytes that have come.
    mutating func handle(_ bytes: [UInt8]) -> [Step] {
        held += bytes
        if wanted == 0 { wanted = drawCoalescing() }
        guard held.count >= wanted else { return [] }
        wanted = 0
        return release()
    }

    /// What to do at the sender's end.
    mutating func handleEnd() -> [Step] { release() + [.end] }

    private mutating func release() -> [Step] {
        var steps: [Step] = []
        while !held.isEmpty {
            var count = min(drawPiece(), held.count)
            if let stall = stalls.first, stall.place - passed < count {
                count = max(stall.place - passed, 0)
                stalls.removeFirst()
                steps += pass(count)
                steps.append(.stall(stall.time))
                continue
            }
            if let fate, fate.place - passed <= count {
                steps += pass(max(fate.place - passed, 0))
                return steps + [fate.step]
            }
            steps += pass(count)
        }
        return steps
    }

    private mutating func pass(_ count: Int) -> [Step] {
        guard count > 0 else { return [] }
        var piece = Array(held.prefix(count))
        held.removeFirst(count)
        passed += count
        corrupt(&piece)
        let pause = drawPause(for: count)
        return (pause > .zero ? [.wait(pause)] : []) + [.pass(piece)]
    }

    // MARK: chance

    private mutating func drawCoalescing() -> Int {
        for case .coalesce(let range) in script.faults {
            return Int.random(in: range, using: &generator)
        }
        return 1
    }

    private mutating func drawPiece() -> Int {
        for case .split(let range) in script.faults {
            return max(Int.random(in: range, using: &generator), 1)
        }
        return .max
    }

    private mutating func drawPause(for count: Int) -> Duration {
        var pause = Duration.zero
        for fault in script.faults {
            switch fault {
            case .delay(let range):
                let (low, high) = (range.lowerBound, range.upperBound)
                pause += low + (high - low) * Double.random(in: 0...1, using: &generator)
            case .bandwidth(let rate):
                pause += .seconds(1) * (Double(count) / Double(max(rate, 1)))
            case .split, .coalesce, .stall, .blackhole, .reset, .halfClose, .corrupt: break
            }
        }
        return pause
    }

    private mutating func corrupt(_ piece: inout [UInt8]) {
        for case .corrupt(let distance) in script.faults {
            for index in piece.indices
            where Int.random(in: 0..<max(distance, 1), using: &generator) == 0 {
                piece[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
            }
        }
    }
}
