import Basics
import JSON
import PromptStore
import Serving
import T5
import Tasks
import Tensors
import Tokenization

/// Scores tasks of a store on labelled rows, as they are served.
public final class TaskEvaluation {
    /// What is asked.
    public enum Subject: Sendable {
        /// Versions or names, each scored alone; with several also their mean and deviation.
        case tasks([String])
        /// Versions that answer as one.
        case ensemble([String], Combination)
    }

    /// The scores of one task, ensemble or bare core.
    public struct Result: Sendable {
        /// What requests would call it.
        public let task: String
        /// Its version; `nil` for an ensemble.
        public let version: Int?
        /// Its name; `nil` for an ensemble.
        public let name: String?
        /// Rows asked.
        public let count: Int
        /// Every metric that the task reports.
        public let scores: Scores
        /// How often each label was given for each right one; `nil` without labels.
        public let confusion: ConfusionMatrix?
        /// What was answered, a row each.
        public let predictions: [String]

        /// The object that `evaluate` prints.
        public var json: JSONObject {
            JSONObject([
                ("task", .string(name ?? task)), ("version", version.map { JSONValue($0) } ?? .null),
                ("count", JSONValue(count)), ("metrics", .object(scores.json)),
                ("confusion", confusion.map { .object($0.json) } ?? .null),
            ])
        }
    }

    private let core: T5Core
    private let tokenizer: any Tokenizer
    private let store: PromptStore
    private let pool: WorkerPool

    /// An evaluation of a store's tasks on a core.
    public init(core: T5Core, tokenizer: any Tokenizer, store: PromptStore, pool: WorkerPool) {
        self.core = core
        self.tokenizer = tokenizer
        self.store = store
        self.pool = pool
    }

    /// Scores the subject on a file of labelled rows.
    ///
    /// - Parameters:
    ///   - subject: The tasks, or the ensemble.
    ///   - data: JSON Lines, `.csv` or `.tsv` with the tasks' fields and `label`.
    ///   - labelMap: The file's labels under the tasks' names.
    ///   - notice: Called with a warning about labels that a task does not have; such rows count as wrong.
    /// - Returns: A result for each task, or the ensemble's members' and then its own.
    /// - Throws: `TrainingError` naming the file, task or row at fault.
    public func evaluate(
        _ subject: Subject, data: String, labelMap: LabelMap = LabelMap(), notice: (String) -> Void = { _ in }
    ) throws(TrainingError) -> [Result] {
        let references: [String] =
            switch subject {
            case .tasks(let references), .ensemble(let references, _): references
            }
        // Everything is read before anything is computed.
        var asked:
            [(reference: String, resolution: Resolution, file: LabelledFile, definition: TaskDefinition)] = []
        var members: [(task: ServedTask, prompt: [Float])] = []
        var files: [ByteText: LabelledFile] = [:]
        for reference in references {
            let resolution = try resolve(reference)
            let definition = try definition(of: resolution)
            let file: LabelledFile
            let key = Self.key(definition)
            if let known = files[key] {
                file = known
            } else {
                file = try LabelledFile(path: data, for: definition, labelMap: labelMap, unknownLabels: .keep)
                files[key] = file
                if !file.unknownLabels.isEmpty {
                    notice(
                        "\(data): the task has no label "
                            + file.unknownLabels.prefix(5).map(\.quoted).joined(separator: ", ")
                            + "; such rows count as wrong")
                }
            }
            do { _ = try Scores.ofReferences(file.examples, definition) } catch { throw error.at(data) }
            asked.append((reference, resolution, file, definition))
            guard case .ensemble = subject else { continue }
            guard case .task(let manifest) = resolution else {
                throw TrainingError("\(reference) is an ensemble itself; a version was expected")
            }
            members.append(try member(manifest, definition))
        }
        let together = try ensemble(subject, members)

        var results: [Result] = []
        for (reference, resolution, file, definition) in asked {
            let engine = InferenceEngine(core: core, tokenizer: tokenizer, store: store, pool: pool)
            let answers = try answers(of: engine, reference, file.examples)
            let (name, version): (String?, Int?) =
                if case .task(let manifest) = resolution { (manifest.name, manifest.version) } else {
                    (nil, nil)
                }
            results.append(
                try result(reference, name, version, definition, file.examples, answers.predictions))
        }
        if let (name, ensemble, combination) = together, let first = asked.first {
            let engine = InferenceEngine(
                core: core, tokenizer: tokenizer, candidates: [name: ensemble], pool: pool)
            let answers = try answers(of: engine, name, first.file.examples)
            results.append(
                try result(
                    "\(combination.rawValue) of \(name)", nil, nil, first.definition, first.file.examples,
                    answers.predictions))
        }
        return results
    }

    /// The same for equal definitions.
    private static func key(_ definition: TaskDefinition) -> ByteText {
        ByteText(JSONValue.object(definition.json).line)
    }

    /// The ensemble that is asked, where there is one.
    private func ensemble(
        _ subject: Subject, _ members: [(task: ServedTask, prompt: [Float])]
    ) throws(TrainingError) -> (name: String, task: ResolvedTask, combination: Combination)? {
        guard case .ensemble(let references, let combination) = subject else { return nil }
        let name = references.joined(separator: ",")
        do {
            return (name, try ResolvedTask(name, members, combination: combination), combination)
        } catch {
            throw TrainingError(wrapping: error)
        }
    }

    private func answers(
        of engine: InferenceEngine, _ task: String, _ examples: [LabelledExample]
    ) throws(TrainingError) -> Evaluator.Answers {
        do { return try Evaluator.answers(of: engine, task, examples) } catch {
            throw error.at("the task \(task)")
        }
    }

    private func result(
        _ task: String, _ name: String?, _ version: Int?, _ definition: TaskDefinition,
        _ examples: [LabelledExample], _ predictions: [String]
    ) throws(TrainingError) -> Result {
        Result(
            task: task, version: version, name: name, count: examples.count,
            scores: try Scores(predictions, examples, definition),
            confusion: definition.verbalizer.map {
                ConfusionMatrix(EvaluatedAnswer.pairs(predictions, examples), labels: $0.names)
            }, predictions: predictions)
    }

    private func resolve(_ reference: String) throws(TrainingError) -> Resolution {
        do { return try store.resolve(reference, core: core.fingerprint) } catch {
            throw TrainingError(wrapping: error)
        }
    }

    private func definition(of resolution: Resolution) throws(TrainingError) -> TaskDefinition {
        guard let manifest = resolution.manifests.first else {
            throw TrainingError("the ensemble has no members")
        }
        do { return try TaskDefinition(json: manifest.definition) } catch {
            throw TrainingError("the definition of \(manifest.id) cannot be used: \(error.message)")
        }
    }

    private func member(
        _ manifest: PromptManifest, _ definition: TaskDefinition
    ) throws(TrainingError) -> (task: ServedTask, prompt: [Float]) {
        do {
            let task = try ServedTask(manifest: manifest, definition: definition, tokenizer: tokenizer)
            return (task, try store.prompt(for: manifest).values)
        } catch {
            throw TrainingError(wrapping: error)
        }
    }

    /// Mean and deviation of several results' metrics, as an object.
    public static func summary(_ results: [Result]) -> JSONObject {
        JSONObject([
            ("tasks", .array(results.map { .string($0.task) })),
            ("metrics", .object(RunSummary.spread(results.map(\.scores)))),
        ])
    }
}
