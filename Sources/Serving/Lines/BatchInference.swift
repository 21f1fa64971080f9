import JSON

/// Answers a stream of request lines: JSON Lines in, JSON Lines out, in input order, in bounded memory.
public struct BatchInference {
    /// What a run has done so far.
    public struct Summary: Sendable {
        /// Lines answered.
        public var requests = 0
        /// Of them, with an error.
        public var failures = 0
        /// Encoder rows and passes.
        public var totals = InferenceEngine.Totals()
        /// Names of the tasks that were answered, at most `maximumTasks` of them.
        public var tasks: Set<String> = []
        /// Wall-clock time.
        public var seconds = 0.0

        /// Tasks told apart in `tasks`, so that a stream over ever new names stays bounded.
        public static let maximumTasks = 100_000

        /// Requests a second.
        public var requestsPerSecond: Double { seconds > 0 ? Double(requests) / seconds : 0 }
        /// Encoder rows a second.
        public var rowsPerSecond: Double { seconds > 0 ? Double(totals.rows) / seconds : 0 }
        /// Requests an encoder pass.
        public var meanBatch: Double {
            totals.batches > 0 ? Double(requests - failures) / Double(totals.batches) : 0
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
        /// Lines read; `summary.requests` of them are answered.
        var lineCount = 0
        /// The places of the lines whose requests are with the engine, by their tickets.
        var places: [Int: Int] = [:]
        /// Responses that are not written yet, by their places.
        var responses: [Int: InferenceResponse] = [:]
        repeat {
            while !isAtEnd, engine.waitingRows < engine.batchRows,
                lineCount - summary.requests < Self.maximumOutstanding
            {
                // Work-conserving: what is at hand is answered rather than kept waiting for company.
                if !reader.isReady() {
                    try writer.flush()
                    guard summary.requests == lineCount else { break }
                }
                let lines = try Self.lines(&reader)
                isAtEnd = lines.isEmpty
                for (id, result) in prepare(lines.filter { !$0.isBlank }) {
                    switch result {
                    case .success(let request): places[engine.submit(request)] = lineCount
                    case .failure(let error):
                        responses[lineCount] = InferenceResponse(id: id, result: .failure(error))
                    }
                    lineCount += 1
                }
            }
            for answered in engine.step() {
                if let place = places.removeValue(forKey: answered.ticket) {
                    responses[place] = answered.response
                }
            }
            while let response = responses.removeValue(forKey: summary.requests) {
                summary.count(response)
                try writer.write(response.json)
            }
            summary.totals = engine.totals
            summary.seconds = (ContinuousClock.now - start) / .seconds(1)
            progress(summary)
        } while !isAtEnd || !engine.isIdle
        try writer.commit()
        return summary
    }

    /// Prepares requests on all threads; a line's id is there even where its request cannot be answered.
    private func prepare(
        _ lines: [LineReader.Line]
    ) -> [(id: JSONValue?, result: Result<PreparedRequest, ServingError>)] {
        engine.pool.map(lines) { [preparer = engine.preparer] line in
            guard case .bytes(let bytes) = line else {
                let error = ServingError(
                    .lineTooLong,
                    "the line is longer than \(LineReader.maximumLineLength) bytes; split the request")
                return (nil, .failure(error))
            }
            let (id, request) = InferenceRequest.parse(bytes)
            return (
                id,
                request.flatMap { request in
                    Result { () throws(ServingError) in try preparer.prepare(request) }
                }
            )
        }
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
