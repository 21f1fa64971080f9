import Basics
import Foundation
import JSON
import Tensors

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

    /// Lines, and bytes of them, that are prepared together.
    private static let linesAtOnce = 256
    private static let bytesAtOnce = 1 << 20

    private let pool: WorkerPool
    private let scheduler: Scheduler

    /// A run on an engine, which is used for nothing else from now on.
    public init(engine: sending InferenceEngine) {
        pool = engine.pool
        scheduler = Scheduler(engine)
    }

    /// Answers every line of the input but blank ones; once.
    ///
    /// Reading, computing and writing go on side by side: the calling thread reads and prepares requests, the engine's
    /// answers them, another writes. `AnswersInOrder` bounds what they hold together.
    ///
    /// - Parameters:
    ///   - reader: The lines.
    ///   - writer: Takes a line for each.
    ///   - stop: Ends the run before its input: what has been answered is written, nothing more is computed.
    ///   - progress: Called now and then with what has been done so far.
    /// - Throws: `ServingError` when reading or writing fails; a request that cannot be answered is answered
    ///   with an error instead.
    public consuming func run(
        _ reader: inout LineReader, _ writer: sending LineWriter, stop: StopRequest? = nil,
        progress: (Summary) -> Void = { _ in }
    ) throws(ServingError) -> Summary {
        let start = ContinuousClock.now
        let stop = if let stop { stop } else { try StopRequest() }
        let answers = AnswersInOrder(stop: stop)
        func summary() -> Summary {
            var summary = answers.summary
            summary.totals = scheduler.totals
            summary.seconds = (ContinuousClock.now - start) / .seconds(1)
            return summary
        }
        let writing = WritingThread(writer, answers, stop)
        var failure: ServingError?
        do throws(ServingError) {
            while !stop.isRequested {
                progress(summary())
                guard answers.hasRoom() else { continue }
                let lines = try Self.lines(&reader, stop) { progress(summary()) }
                guard !lines.isEmpty else { break }
                prepare(lines.filter { !$0.isBlank }, answers)
            }
        } catch {
            failure = error
        }
        answers.complete()
        scheduler.finish(stop: stop) { progress(summary()) }
        if stop.isRequested { answers.end() }
        progress(summary())
        try writing.end(stop)
        if let failure { throw failure }
        guard !stop.isRequested else { return summary() }
        try writing.commit()
        return summary()
    }

    /// Prepares requests on all threads and submits them; a line's id is there even where its request cannot be answered.
    private func prepare(_ lines: [LineReader.Line], _ answers: AnswersInOrder) {
        let first = answers.add(lines.map(\.byteCount))
        let prepared = pool.map(lines) { [preparer = scheduler.preparer] line in
            Self.prepare(line, preparer)
        }
        var submissions: [Scheduler.Submission] = []
        var sizes: [(place: Int, bytes: Int)] = []
        var refused: [(place: Int, response: InferenceResponse)] = []
        for (place, (id, result)) in zip(first..., prepared) {
            switch result {
            case .success(let request):
                sizes.append((place, request.heldBytes))
                submissions.append(
                    Scheduler.Submission(request) { answers.answer([(place, $0)]) })
            case .failure(let error):
                refused.append((place, InferenceResponse(id: id, result: .failure(error))))
            }
        }
        answers.resize(sizes)
        scheduler.submit(submissions)
        if !refused.isEmpty { answers.answer(refused) }
    }

    private static func prepare(
        _ line: LineReader.Line, _ preparer: RequestPreparer
    ) -> (id: JSONValue?, result: Result<PreparedRequest, ServingError>) {
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

    /// The next line and those that can be had with it without waiting; none at the end.
    private static func lines(
        _ reader: inout LineReader, _ stop: StopRequest, idle: () -> Void
    ) throws(ServingError) -> [LineReader.Line] {
        var lines: [LineReader.Line] = []
        var bytes = 0
        while lines.isEmpty || (lines.count < linesAtOnce && bytes < bytesAtOnce && reader.isReady()),
            let line = try reader.next(stop: stop, idle: idle)
        {
            lines.append(line)
            bytes += line.byteCount
        }
        return lines
    }
}

/// Writes what has been answered, on a thread of its own.
private final class WritingThread: Sendable {
    /// Only the thread uses it until it has ended, and then whoever has waited for that.
    nonisolated(unsafe) private let writer: LineWriter
    private let answers: AnswersInOrder
    private let hasEnded = Monitor(false)

    init(_ writer: sending LineWriter, _ answers: AnswersInOrder, _ stop: StopRequest) {
        self.writer = writer
        self.answers = answers
        let thread = Thread { [self] in
            do {
                while let lines = answers.next() { try self.writer.write(lines: lines) }
            } catch let error as ServingError {
                answers.fail(error)
                stop.request()
            } catch {}
            hasEnded.change { $0 = true }
        }
        thread.name = "polyprompt-writer"
        thread.start()
    }

    /// Waits until everything is written; for a moment only once the run is asked to stop.
    ///
    /// - Throws: What kept something from being written.
    func end(_ stop: StopRequest) throws(ServingError) {
        while hasEnded.wait(until: Date(timeIntervalSinceNow: 2), { $0 ? () : nil }) == nil {
            if stop.isRequested { break }
        }
        if let failure = answers.failure { throw failure }
    }

    /// Has the output be complete.
    func commit() throws(ServingError) { try writer.commit() }
}
