import Basics
import Foundation
import PromptStore
import Serving
import T5
import Tasks
import Tensors
import Tokenization

/// Has the serving engine answer labelled rows: a score is always that of what is served.
///
/// Used by one thread at a time.
final class Evaluator {
    /// A prompt and the rows that it is to answer.
    struct Candidate {
        let task: ServedTask
        /// `[rows, d_model]`; empty for the bare core.
        let prompt: [Float]
        let rows: [EncodedExample]
    }

    /// What was answered.
    struct Answers: Sendable, Equatable {
        /// Label names, or texts for a task without labels, one a row.
        let predictions: [String]
        /// The mean log-probability of the right label, or of the likeliest of several; `nil` without labels.
        let confidence: Double?
    }

    private let core: T5Core
    private let tokenizer: any Tokenizer
    private let pool: WorkerPool

    init(core: T5Core, tokenizer: any Tokenizer, pool: WorkerPool) {
        self.core = core
        self.tokenizer = tokenizer
        self.pool = pool
    }

    /// Answers for all candidates, in mixed batches as they are served.
    ///
    /// - Parameter isInterrupted: Asked again and again.
    /// - Returns: A candidate's answers, or why the engine refused one of its rows.
    /// - Throws: `TrainingError` when it was asked to stop.
    func answers(
        _ candidates: [Candidate], isInterrupted: () -> Bool = { false }
    ) throws(TrainingError) -> [Result<Answers, TrainingError>] {
        let names = candidates.indices.map { "candidate-\($0)" }
        let tasks = zip(names, candidates).map { name, candidate in
            (name, ResolvedTask(name, candidate.task, prompt: candidate.prompt))
        }
        let engine = InferenceEngine(
            core: core, tokenizer: tokenizer, candidates: Dictionary(uniqueKeysWithValues: tasks), pool: pool)
        let requests = zip(names, candidates).flatMap { name, candidate in
            candidate.rows.map { InferenceRequest(task: name, input: .ids($0.ids)) }
        }
        var responses = try Self.responses(of: engine, requests, isInterrupted)[...]
        var answers: [Result<Answers, TrainingError>] = []
        for candidate in candidates {
            let own = responses.prefix(candidate.rows.count)
            answers.append(
                Result { () throws(TrainingError) in
                    try Self.read(own, candidate.rows.map(\.example))
                })
            responses = responses.dropFirst(candidate.rows.count)
        }
        return answers
    }

    /// All answers.
    private static func responses(
        of engine: InferenceEngine, _ requests: [InferenceRequest], _ isInterrupted: () -> Bool
    ) throws(TrainingError) -> [InferenceResponse] {
        let responses = engine.answer(requests, isCancelled: isInterrupted)
        guard responses.count == requests.count else {
            throw TrainingError.interruption("interrupted while rows were being answered")
        }
        return responses
    }

    /// The answers of a task that an engine serves.
    static func answers(
        of engine: InferenceEngine, _ task: String, _ examples: [LabelledExample],
        isInterrupted: () -> Bool = { false }
    ) throws(TrainingError) -> Answers {
        let responses = try responses(
            of: engine, examples.map { InferenceRequest(task: task, input: .rendered($0.input)) },
            isInterrupted)
        return try read(responses[...], examples)
    }

    private static func read(
        _ responses: ArraySlice<InferenceResponse>, _ examples: [LabelledExample]
    ) throws(TrainingError) -> Answers {
        var predictions: [String] = []
        var total = 0.0
        var hasScores = false
        for (response, example) in zip(responses, examples) {
            let answer: InferenceResponse.Answer
            do { answer = try response.result.get() } catch {
                throw TrainingError(
                    "the engine refused the row \(example.input.text(upTo: 200).text.quoted): \(error)")
            }
            predictions.append(answer.label ?? answer.output ?? "")
            guard let scores = answer.scores else { continue }
            if let label = scores.first(where: { !$0.probability.isFinite }) {
                throw TrainingError(
                    "the row \"\(example.text.prefix(60))\": the probability of \"\(label.label)\" is not a number"
                )
            }
            hasScores = true
            let labels = Set(example.answers.map(ByteText.init))
            let right = scores.filter { labels.contains(ByteText($0.label)) }.map(\.probability).max() ?? 0
            total += log(max(right, 1e-30))
        }
        return Answers(
            predictions: predictions,
            confidence: hasScores && !predictions.isEmpty ? total / Double(predictions.count) : nil)
    }
}

/// The scores of some answers by the metrics that a task reports.
public struct Scores: Sendable, Equatable {
    /// The metrics' values, that of the task first.
    public let values: [(metric: Metric, value: Double)]

    /// Scores answers.
    ///
    /// - Throws: `TrainingError` when a metric cannot be computed of these references.
    init(
        _ predictions: [String], _ examples: [LabelledExample], _ definition: TaskDefinition
    ) throws(TrainingError) {
        let answers = EvaluatedAnswer.pairs(predictions, examples)
        let labels = definition.verbalizer?.names ?? []
        do {
            values = try definition.metric.reported.map { metric throws(TaskError) in
                (metric, try metric.score(answers, labels: labels))
            }
        } catch {
            throw TrainingError(wrapping: error)
        }
        if let (metric, value) = values.first(where: { !$0.value.isFinite }) {
            throw TrainingError("the metric \(metric.rawValue) is \(value); a number was expected")
        }
    }

    /// The scores of the right answers themselves.
    ///
    /// - Throws: `TrainingError` when a metric cannot be computed of these references.
    static func ofReferences(
        _ examples: [LabelledExample], _ definition: TaskDefinition
    ) throws(TrainingError) -> Scores {
        try Scores(examples.map { $0.answers.first ?? "" }, examples, definition)
    }

    /// The value of the task's own metric.
    public var primary: Double { values.first?.value ?? 0 }

    /// Whether both have the same values of the same metrics.
    public static func == (left: Scores, right: Scores) -> Bool {
        left.values.elementsEqual(right.values) { $0 == $1 }
    }
}

extension EvaluatedAnswer {
    /// Answers beside the rows they answer.
    static func pairs(_ predictions: [String], _ examples: [LabelledExample]) -> [EvaluatedAnswer] {
        zip(predictions, examples).map { prediction, example in
            EvaluatedAnswer(prediction: prediction, references: example.answers, group: example.group)
        }
    }
}
