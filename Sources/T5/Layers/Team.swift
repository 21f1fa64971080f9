import Tensors

/// Who works on a step: the calling thread alone, or all threads of a pool.
package struct Team {
    let pool: WorkerPool?

    /// A pool's threads, or the calling thread alone.
    package init(pool: WorkerPool?) { self.pool = pool }

    /// How many threads that is.
    package var threadCount: Int { pool?.threadCount ?? 1 }

    /// Calls `body` for ranges that cover `count` items, cut at multiples of `grain`.
    package func split(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
        if let pool {
            pool.ranges(of: count, grain: grain, perThread: 4, body)
        } else {
            body(0..<count)
        }
    }

    /// Calls `body` for each item, of which some may take longer than others.
    package func each(_ count: Int, _ body: (Int) -> Void) {
        if let pool { pool.parallel(count, body) } else { for index in 0..<count { body(index) } }
    }

    /// The results of `transform` for each index below `count`, in order.
    package func map<Result>(_ count: Int, _ transform: (Int) -> Result) -> [Result] {
        if let pool { pool.map(Array(0..<count), transform) } else { (0..<count).map(transform) }
    }

    /// Encoder rows that a thread takes through all layers at a time: enough that each weight read from memory
    /// is used often, few enough that the rows stay in its cache.
    static let groupRows = 512

    /// Splits the sequences into contiguous groups of about equal rows, a multiple of the number of threads where
    /// there are enough sequences.
    package static func groups(_ lengths: [Int], threads: Int) -> [Range<Int>] {
        let total = lengths.last ?? 0
        let rounds = max(1, (total + groupRows * threads - 1) / (groupRows * threads))
        let count = min(rounds * threads, lengths.count - 1)
        guard count > 1, total >= 32 * count else { return [0..<lengths.count - 1] }
        var groups: [Range<Int>] = []
        var start = 0
        for group in 1...count {
            let target = total * group / count
            var end = start
            // The boundary nearest to the target.
            while end < lengths.count - 1,
                lengths[end + 1] <= target
                    || target - lengths[end] > lengths[end + 1] - target
            { end += 1 }
            if group == count { end = lengths.count - 1 }
            if end > start { groups.append(start..<end) }
            start = end
        }
        return groups
    }
}
