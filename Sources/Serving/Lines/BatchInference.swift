/// Answers a stream of request lines: JSON Lines in, JSON Lines out, in input order, in bounded memory.
public struct BatchInference {
    /// What a run has done.
    public struct Summary: Sendable {
        /// Lines answered.
        public var requests = 0
        /// Of them, with an error.
        public var failures = 0
        /// Encoder rows and passes.
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
        /// Requests an encoder pass.
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
    /// Requests that may be read ahead of the first one that has no answer yet, which bounds what is held in
    /// memory when that one takes long.
    private static let maximumOutstanding = 4096

    private let engine: InferenceEngine

    /// A run on an engine, which is used for nothing else meanwhile.
    public init(engine: InferenceEngine) { self.engine = engine }

    /// Answers every line of the input but blank ones.
    ///
    /// - Parameters:
    ///   - reader: The lines.
    ///   - writer: Takes a line for each.
    ///   - progress: Called after each iteration of the engine with what has been done so far.
    /// - Throws: `ServingError` when reading or writing fails; a request that cannot be answered is answered
    ///   with an error instead.
    public func run(
        _ reader: inout LineReader, _ writer: LineWriter, progress: (Summary) -> Void = { _ in }
    ) throws(ServingError) -> Summary {
        let start = ContinuousClock.now
        var summary = Summary()
        var isAtEnd = false
        // Tickets of requests whose answers are not written yet, and those of their answers that are there.
        var outstanding: ArraySlice<Int> = []
        var responses: [Int: InferenceResponse] = [:]
        repeat {
            while !isAtEnd, engine.waitingRows < engine.batchRows,
                outstanding.count < Self.maximumOutstanding
            {
                // Work-conserving: what is at hand is answered rather than kept waiting for company.
                if !reader.isReady() {
                    try writer.flush()
                    guard engine.isIdle else { break }
                }
                let lines = try Self.lines(&reader)
                isAtEnd = lines.isEmpty
                for outcome in engine.prepare(lines.filter { !$0.isBlank }) {
                    outstanding.append(engine.submit(outcome))
                }
            }
            for answered in engine.step() { responses[answered.ticket] = answered.response }
            while let ticket = outstanding.first, let response = responses.removeValue(forKey: ticket) {
                outstanding.removeFirst()
                summary.count(response)
                try writer.write(response.json)
            }
            summary.work = engine.work
            summary.seconds = (ContinuousClock.now - start) / .seconds(1)
            progress(summary)
        } while !isAtEnd || !engine.isIdle
        try writer.commit()
        return summary
    }

    /// The next line and those that can be had with it without waiting; none at the end.
    private static func lines(_ reader: inout LineReader) throws(ServingError) -> [LineReader.Line] {
        var lines: [LineReader.Line] = []
        while lines.isEmpty || (lines.count < linesAtOnce && reader.isReady()), let line = try reader.next() {
            lines.append(line)
        }
        return lines
    }
}
