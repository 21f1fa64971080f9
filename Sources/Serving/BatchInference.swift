/// Answers a stream of request lines: JSON Lines in, JSON Lines out, in input order, in bounded memory.
public struct BatchInference {
    /// What a run has done.
    public struct Summary: Sendable {
        /// Lines answered.
        public var requests = 0
        /// Of them, with an error.
        public var failures = 0
        /// Encoder rows and forward passes.
        public var work = InferenceEngine.Work()
        /// Names of the tasks that were answered, at most `maximumTasks` of them.
        public var tasks: Set<String> = []
        /// Wall-clock time.
        public var seconds = 0.0

        /// Tasks told apart in `tasks`, so that a stream over ever new names stays bounded.
        public static let maximumTasks = 100_000

        /// Requests a second.
        public var requestsPerSecond: Double { seconds > 0 ? Double(requests) / seconds : 0 }
        /// Encoder rows a second.
        public var rowsPerSecond: Double { seconds > 0 ? Double(work.rows) / seconds : 0 }
        /// Requests a forward pass.
        public var meanBatch: Double {
            work.batches > 0 ? Double(requests - failures) / Double(work.batches) : 0
        }

        mutating func count(_ response: InferenceResponse) {
            requests += 1
            switch response.result {
            case .failure: failures += 1
            case .success(let answer):
                if tasks.count < Self.maximumTasks { tasks.insert(answer.task ?? "null") }
            }
        }
    }

    /// Lines that are read before they are prepared together.
    private static let linesAtOnce = 256

    private let engine: InferenceEngine

    /// A run on an engine.
    public init(engine: InferenceEngine) { self.engine = engine }

    /// Answers every line of the input but blank ones.
    ///
    /// - Parameter progress: Called after each forward pass with what has been done so far.
    /// - Throws: `ServingError` when reading or writing fails; a request that cannot be answered is answered
    ///   with an error instead.
    public func run(
        _ reader: inout LineReader, _ writer: LineWriter, progress: (Summary) -> Void = { _ in }
    ) throws(ServingError) -> Summary {
        let start = ContinuousClock.now
        var summary = Summary()
        var batcher = engine.makeBatcher()
        func answer(_ batch: [RequestPreparer.Outcome]) throws(ServingError) {
            guard !batch.isEmpty else { return }
            for response in engine.answer(batch) {
                summary.count(response)
                try writer.write(response.json)
            }
            summary.work = engine.work
            summary.seconds = (ContinuousClock.now - start) / .seconds(1)
            progress(summary)
        }
        while let first = try reader.next() {
            var lines = [first]
            while lines.count < Self.linesAtOnce, reader.isReady(), let line = try reader.next() {
                lines.append(line)
            }
            lines.removeAll(where: \.isBlank)
            for outcome in engine.prepare(lines) {
                if let batch = batcher.add(outcome, cost: outcome.cost) { try answer(batch) }
            }
            // Work-conserving: what is at hand is answered rather than kept waiting for company.
            if !reader.isReady() {
                try answer(batcher.flush())
                try writer.flush()
            }
        }
        try answer(batcher.flush())
        try writer.commit()
        return summary
    }
}
