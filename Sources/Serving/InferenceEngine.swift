import PromptStore
import T5
import Tensors
import Tokenization

/// Answers requests for any mixture of tasks through one core, a ragged batch at a time.
///
/// Used by one thread at a time; engines over the same core and store may run side by side.
public final class InferenceEngine {
    /// Encoder rows of a batch unless said otherwise.
    public static let defaultBatchRows = 4096

    /// What the engine has done so far.
    public struct Work: Sendable, Equatable {
        /// Encoder rows, prompt rows counted.
        public var rows = 0
        /// Forward passes.
        public var batches = 0
    }

    /// What the engine has done so far.
    public private(set) var work = Work()
    /// Encoder rows that a forward pass may have.
    public let batchRows: Int

    private let preparer: RequestPreparer
    private let pool: WorkerPool
    private let session: T5Session

    /// An engine over a core and a store.
    ///
    /// - Parameters:
    ///   - tokenizer: The core's tokenizer; `nil` for cores that take ids only.
    ///   - store: The tasks; `nil` when only the bare core is asked.
    ///   - batchRows: Encoder rows that a forward pass may have; a single request may exceed it alone.
    public init(
        core: T5Core, tokenizer: (any Tokenizer)?, store: PromptStore?, pool: WorkerPool,
        batchRows: Int = InferenceEngine.defaultBatchRows
    ) {
        preparer = RequestPreparer(
            catalog: TaskCatalog(store: store, core: core, tokenizer: tokenizer), tokenizer: tokenizer,
            configuration: core.configuration)
        session = T5Session(core: core, pool: pool)
        self.pool = pool
        self.batchRows = batchRows
    }

    /// Answers requests, in their order.
    public func answer(_ requests: [InferenceRequest]) -> [InferenceResponse] {
        var batcher = makeBatcher()
        var responses: [InferenceResponse] = []
        for outcome in pool.map(requests, { self.preparer.prepare($0) }) {
            if let batch = batcher.add(outcome, cost: outcome.cost) { responses += answer(batch) }
        }
        return responses + answer(batcher.flush())
    }

    func makeBatcher() -> Batcher<RequestPreparer.Outcome> { Batcher(maximumRows: batchRows) }

    /// Prepares lines, in parallel.
    func prepare(_ lines: [LineReader.Line]) -> [RequestPreparer.Outcome] {
        pool.map(lines) { self.preparer.prepare($0) }
    }

    /// Answers one batch in one forward pass.
    func answer(_ batch: [RequestPreparer.Outcome]) -> [InferenceResponse] {
        let requests = batch.compactMap { outcome -> PreparedRequest? in
            if case .ready(let request) = outcome { request } else { nil }
        }
        let outputs = Result { () throws(T5Error) in try compute(requests.flatMap(\.items)) }
        var done = 0
        return batch.map { outcome in
            switch outcome {
            case .failed(let response): return response
            case .ready(let request):
                // Everything that the core checks has been checked for each request before: a failure here
                // would be a fault of this program, and is still an answer.
                let result = outputs.map { outputs in
                    request.answer(
                        Array(outputs[done..<done + request.members.count]), tokenizer: preparer.tokenizer)
                }
                done += request.members.count
                return InferenceResponse(
                    id: request.id, result: result.mapError { ServingError(.taskUnusable, $0.message) })
            }
        }
    }

    /// Encodes all items in one ragged pass, scores those with labels in one decoder pass and generates for the
    /// others together.
    private func compute(_ items: [CoreItem]) throws(T5Error) -> [CoreOutput] {
        guard !items.isEmpty else { return [] }
        let encoded = try session.encode(items.map(\.input))
        work.rows += encoded.cumulativeSequenceLengths.last ?? 0
        work.batches += 1
        var scoring: [(sequence: Int, options: LabelScoringOptions)] = []
        var generating: [(sequence: Int, options: GenerationOptions)] = []
        for (index, item) in items.enumerated() {
            switch item.work {
            case .score(let options): scoring.append((index, options))
            case .generate(let options): generating.append((index, options))
            }
        }
        var outputs = items.map { _ in CoreOutput.logLikelihoods([]) }
        for (request, scores) in zip(scoring, try session.scoreLabels(encoded, scoring)) {
            outputs[request.sequence] = .logLikelihoods(scores)
        }
        for (request, generation) in zip(generating, try session.generate(encoded, generating)) {
            outputs[request.sequence] = .generation(generation)
        }
        return outputs
    }
}

/// One sequence for the core, and what is wanted of it.
struct CoreItem: Sendable {
    enum Work: Sendable {
        case generate(GenerationOptions)
        case score(LabelScoringOptions)
    }

    let input: T5Input
    let work: Work
}

/// What the core made of one sequence.
enum CoreOutput: Sendable {
    case generation(Generation)
    /// The log-likelihood of each label.
    case logLikelihoods([Double])
}
