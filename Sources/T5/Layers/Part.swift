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

    /// Rows that leave each thread as many of its own as use a weight often enough when it is read from memory.
    private static let rowsWorthSplitting = 64

    /// Splits a product of packed panels: many rows by rows, which leaves each thread its rows in its cache; few by
    /// panels, so that each weight is read by one thread only.
    package func splitProduct(
        rows: Int, panels: Range<Int>, _ body: (_ rows: Range<Int>, _ panels: Range<Int>) -> Void
    ) {
        if rows >= Self.rowsWorthSplitting * threadCount {
            split(rows, grain: 16) { body($0, panels) }
        } else {
            // Gate and up panels alternate and stay together.
            split(panels.count, grain: 2) { part in
                body(0..<rows, panels.lowerBound + part.lowerBound..<panels.lowerBound + part.upperBound)
            }
        }
    }

    /// Splits the panels of a product whose parts each have a result of their own, one part a thread.
    package func eachPart(ofPanels count: Int, _ body: (_ part: Int, _ panels: Range<Int>) -> Void) {
        let parts = threadCount
        each(parts) { body($0, count * $0 / parts..<count * ($0 + 1) / parts) }
    }
}

/// A run of rows that goes through a stack's layers together: some sequences of the encoder, or all of the decoder.
package struct Part {
    /// Its first row among those of the whole batch.
    package let first: Int
    /// Its rows.
    package let count: Int
    /// Its sequences among those of the batch.
    package let sequences: Range<Int>
    /// The sequences' rows, counted from `first`.
    package let spans: [AttentionSpan]
    package let team: Team
    package let workspace: Workspace

    package init(
        first: Int, count: Int, sequences: Range<Int>, spans: [AttentionSpan], team: Team,
        workspace: Workspace
    ) {
        self.first = first
        self.count = count
        self.sequences = sequences
        self.spans = spans
        self.team = team
        self.workspace = workspace
    }

    /// Some sequences of a batch.
    ///
    /// - Parameter lengths: Where each sequence of the batch begins, and the number of rows as the last.
    package init(_ sequences: Range<Int>, of lengths: [Int], team: Team, workspace: Workspace) {
        let first = lengths[sequences.lowerBound]
        self.init(
            first: first, count: lengths[sequences.upperBound] - first, sequences: sequences,
            spans: sequences.map { sequence in
                let rows = lengths[sequence] - first..<lengths[sequence + 1] - first
                return AttentionSpan(queries: rows, keys: rows)
            }, team: team, workspace: workspace)
    }
}

/// How a batch's rows are grouped to pass through layers.
package enum RowGroups {
    /// Rows that a thread takes through all layers at a time: enough that each weight read from memory is used often,
    /// few enough that the rows stay in its cache.
    private static let rows = 512
    /// Rows that a thread should have at least; with fewer, threads share each step.
    private static let fewestRows = 32

    /// Contiguous groups of sequences of about equal rows, a multiple of the number of threads where there are enough
    /// sequences.
    ///
    /// - Parameter lengths: Where each sequence begins, and the number of rows as the last.
    package static func sequences(_ lengths: [Int], threads: Int) -> [Range<Int>] {
        let total = lengths.last ?? 0
        let rounds = max(1, (total + rows * threads - 1) / (rows * threads))
        let count = min(rounds * threads, lengths.count - 1)
        guard count > 1, total >= fewestRows * count else { return [0..<lengths.count - 1] }
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

extension WorkerPool {
    /// Calls `body` for each group of rows. With a group or more for each thread, a thread takes its group through all
    /// steps without waiting for any other; with fewer, all threads share each step.
    package func forEachGroup<Group>(_ groups: [Group], _ body: (Group, Team) -> Void) {
        if groups.count > 1, groups.count >= threadCount {
            parallel(groups.count) { body(groups[$0], Team(pool: nil)) }
        } else {
            for group in groups { body(group, Team(pool: self)) }
        }
    }
}
