// Runs each scenario once to count its system calls, then once for each of them and each way in which it
// can fail. After each run nothing may be open that was not open before, nothing may wait, and whatever
// was thrown must be an error that names an operation.
//
// The table of system calls is the whole process's: hence a program, and one run at a time. A hang cannot
// be seen from inside, so a thread of its own watches the time and says which fault it was.

import CEndpointsFaults
import Endpoints
import Foundation

@main
struct FaultWalk {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        let only = CommandLine.arguments.dropFirst()
        endpoints_fault_install()
        let watchdog = Watchdog()
        var points = 0
        var failures: [String] = []
        for scenario in Scenario.all where only.isEmpty || only.contains(scenario.name) {
            let began = ContinuousClock.now
            let walk = Walk(scenario, watchdog)
            await walk.run()
            points += walk.points
            failures += walk.failures
            print("\(scenario.name): \(walk.points) faults, \(ContinuousClock.now - began)")
        }
        for failure in failures { print("FAILED \(failure)") }
        print("\(points - failures.count) passed, \(failures.count) failed")
        exit(failures.isEmpty && points > 0 ? 0 : 1)
    }
}

/// All faults of one scenario.
final class Walk {
    private let scenario: Scenario
    private let watchdog: Watchdog
    private(set) var points = 0
    private(set) var failures: [String] = []
    /// How often the last run made each call, and all of them.
    private var counts: [Int64] = []
    private var total: Int64 = 0

    init(_ scenario: Scenario, _ watchdog: Watchdog) {
        self.scenario = scenario
        self.watchdog = watchdog
    }

    func run() async {
        // Twice: the first run opens what a process opens once.
        _ = await attempt(nil)
        if let problem = await attempt(nil) {
            return failures.append("\(scenario.name): \(problem)")
        }
        let (counts, total) = (counts, total)
        for (call, count) in counts.enumerated() where count > 0 {
            let name = String(cString: endpoints_fault_call_name(Int32(call)))
            for outcome in Fault.outcomes(of: name) {
                for number in 1...min(count, 40) {
                    let fault = Fault(
                        call: Int32(call),
                        name: name,
                        number: number,
                        outcome: outcome
                    )
                    await tryOut(fault, usual: total)
                }
            }
        }
    }

    private func tryOut(_ fault: Fault, usual: Int64) async {
        points += 1
        let problem = await attempt(fault)
        if let problem {
            failures.append("\(scenario.name), \(fault): \(problem)")
        } else if total > usual * 20 + 2_000 {
            failures.append("\(scenario.name), \(fault): \(total) calls instead of \(usual)")
        }
    }

    /// Runs the scenario under a fault; answers what was wrong with it.
    private func attempt(_ fault: Fault?) async -> String? {
        let before = Descriptors.open()
        watchdog.begin("\(scenario.name), \(fault?.description ?? "no fault")")
        fault?.begin() ?? endpoints_fault_begin(-1, 0, 0, 0)
        var problem: String?
        do {
            try await scenario.run()
        } catch let error as EndpointError {
            if error.operation.isEmpty || error.description.isEmpty {
                problem = "an error without words"
            }
            if fault == nil { problem = "\(error)" }
        } catch {
            problem = "threw \(type(of: error)): \(error)"
        }
        counts = (0..<endpoints_fault_call_count()).map { endpoints_fault_calls($0) }
        total = endpoints_fault_total()
        endpoints_fault_begin(-1, 0, 0, 0)
        watchdog.end()
        let left = Descriptors.open().subtracting(before)
        if problem == nil, !left.isEmpty {
            problem = "left open: \(left.sorted().map(Descriptors.name).joined(separator: ", "))"
        }
        return problem
    }
}
