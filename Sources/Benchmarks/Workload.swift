/// What can be measured.
package enum Workload: String, Sendable, CaseIterable {
    /// 64 requests of 16–192 ids for 8 tasks, 4 new ids each.
    case mixed
    /// 128 requests of 8–48 ids for 8 tasks with 4–10 labels each.
    case classify
    /// 32 requests of 16–192 ids for 8 tasks, 32 new ids each.
    case generate
    /// What mixing costs: one stream of requests for 1, 8, 64, 1,000 and 10,000 tasks.
    case tasks
    /// Rates of the kernels by shape, beside what the machine can do at most.
    case kernels
    /// From the start of a process to its first answer.
    case startup

    /// Workloads whose requests may come from a file.
    package static let withRequests: [Workload] = [.mixed, .classify, .generate]

    /// Workloads whose requests are also answered one at a time.
    var reportsLatency: Bool { self == .mixed || self == .classify }
}

/// How long to measure.
package enum Extent: Sendable, Equatable {
    /// Until so much time is over; at least one round or step.
    case seconds(Double)
    /// So many rounds.
    case rounds(Int)

    /// Calls `body` with the number of the step, from 0, until the extent is reached.
    ///
    /// - Parameter steps: Steps of a round. Time may be over within a round.
    func repeating(steps: Int = 1, _ body: (Int) throws -> Void) rethrows {
        let start = ContinuousClock.now
        var step = 0
        while true {
            try body(step)
            step += 1
            switch self {
            case .seconds(let seconds): if (ContinuousClock.now - start) / .seconds(1) >= seconds { return }
            case .rounds(let rounds): if step >= rounds * steps { return }
            }
        }
    }
}

/// Seconds that `body` takes.
package func seconds<E: Error>(_ body: () throws(E) -> Void) throws(E) -> Double {
    let start = ContinuousClock.now
    try body()
    return (ContinuousClock.now - start) / .seconds(1)
}
