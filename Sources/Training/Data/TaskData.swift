import Basics
import Serving
import T5
import Tasks
import Tensors
import Tokenization

/// A labelled row as the core reads it.
struct EncodedExample: Sendable {
    /// The row.
    let example: LabelledExample
    /// Its text's ids, as serving makes them.
    let ids: [Int32]
    /// Whether the text was cut at the task's limit.
    let isTruncated: Bool
    /// The SHA-256 of the text, as far as the core reads it.
    let textHash: [UInt8]
}

/// What the decoder is to answer, ended by the end-of-sequence id.
struct EncodedAnswer: Sendable {
    let ids: [Int32]
    /// The ids among which label scoring chooses at each place; `nil` for free text.
    let candidates: [[Int32]]?
    /// The ids of all labels, which all answers share, where probabilities are over all pieces; else `nil`.
    let labels: [[Int32]]?

    /// The ids of the task's other labels, where probabilities are over all pieces; else `nil`.
    var alternatives: [[Int32]]? { labels?.filter { $0 != ids } }
}

/// A task's definition and rows, made ready for a core.
final class TaskData: Sendable {
    /// Where they were read.
    let source: TaskSource
    /// What the task is.
    let definition: TaskDefinition
    /// Its labels and target prefix as ids.
    let served: ServedTask
    /// The rows by file; `dev` and `test` are `nil` when there is no such file.
    let train: [EncodedExample]
    let dev: [EncodedExample]?
    let test: [EncodedExample]?
    /// The answers of the training rows, each row's in order.
    let answers: [[EncodedAnswer]]
    /// The SHA-256 of each file by its role: "train", "dev", "test".
    let hashes: [(role: String, hash: String)]
    /// Things that a person should know, a sentence each.
    let notices: [String]

    /// Reads and encodes a task's files.
    ///
    /// - Throws: `TrainingError` naming the file and line, or the label or answer that cannot be used.
    init(
        _ source: TaskSource, tokenizer: any Tokenizer, configuration: T5Configuration, pool: WorkerPool
    ) throws(TrainingError) {
        let definition = try source.definition()
        self.source = source
        self.definition = definition
        do {
            served = try ServedTask(manifest: nil, definition: definition, tokenizer: tokenizer)
        } catch {
            throw TrainingError(wrapping: error, at: source.task)
        }
        let labelMap = try source.labelMap()
        func read(
            _ path: String, _ unknownLabels: LabelledExampleReader.UnknownLabels
        ) throws(TrainingError) -> (file: LabelledFile, rows: [EncodedExample]) {
            let file = try LabelledFile(
                path: path, for: definition, labelMap: labelMap, unknownLabels: unknownLabels)
            let rows = try EncodedExample.encode(
                file.examples, definition, tokenizer: tokenizer, configuration: configuration, pool: pool)
            return (file, rows)
        }
        let (trainFile, train) = try read(source.train, .refuse)
        let dev = try source.dev.map { path throws(TrainingError) in try read(path, .keep) }
        let test = try source.test.map { path throws(TrainingError) in try read(path, .keep) }
        self.train = train
        self.dev = dev?.rows
        self.test = test?.rows
        answers = try Self.answers(trainFile, served, tokenizer: tokenizer)
        hashes = [("train", trainFile.hash), ("dev", dev?.file.hash), ("test", test?.file.hash)].compactMap {
            role, hash in hash.map { (role, $0) }
        }
        notices = Self.notices(definition, (trainFile, train), [dev, test].compactMap { $0 }, answers)
    }

    /// The ids of each training row's answers. They are never cut: a label or text too long is refused.
    private static func answers(
        _ file: LabelledFile, _ served: ServedTask, tokenizer: any Tokenizer
    ) throws(TrainingError) -> [[EncodedAnswer]] {
        if let verbalizer = served.definition.verbalizer, let labels = served.labels {
            let encoded = zip(labels.ids, labels.trie.candidates).map { ids, candidates in
                EncodedAnswer(
                    ids: ids, candidates: candidates,
                    labels: served.definition.normalize == .labels ? nil : labels.ids)
            }
            return file.examples.map { example in
                example.answers.compactMap { verbalizer.index(ofName: $0) }.map { encoded[$0] }
            }
        }
        var answers: [[EncodedAnswer]] = []
        for (index, example) in file.examples.enumerated() {
            do {
                answers.append(
                    try example.answers.map { text throws(ServingError) in
                        EncodedAnswer(
                            ids: try ServedTask.encode(text, tokenizer, "the answer"), candidates: nil,
                            labels: nil)
                    })
            } catch {
                throw TrainingError("\(file.path): row \(index + 1): \(error.message)")
            }
        }
        return answers
    }

    private static func notices(
        _ definition: TaskDefinition, _ train: (file: LabelledFile, rows: [EncodedExample]),
        _ others: [(file: LabelledFile, rows: [EncodedExample])], _ answers: [[EncodedAnswer]]
    ) -> [String] {
        var notices: [String] = []
        let texts = Set(train.rows.map(\.textHash))
        for (file, rows) in others {
            if !file.unknownLabels.isEmpty {
                let names = file.unknownLabels.prefix(5).map(\.quoted).joined(separator: ", ")
                notices.append(
                    "\(file.path): the task has no label \(names)\(file.unknownLabels.count > 5 ? ", …" : ""); "
                        + "such rows count as wrong")
            }
            let shared = rows.count { texts.contains($0.textHash) }
            if shared > 0 {
                notices.append(
                    "\(file.path): \(shared) of \(rows.count) texts are also in \(train.file.path)")
            }
        }
        let limit = definition.maxNewTokens
        let long = answers.count { $0.contains { $0.candidates == nil && $0.ids.count > limit } }
        if long > 0 {
            notices.append(
                "\(train.file.path): \(long) answers have more ids than max_new_tokens (\(limit)) lets serving generate"
            )
        }
        return notices
    }
}

extension EncodedExample {
    /// Rows as a task's texts are served, encoded in parallel.
    ///
    /// - Throws: `TrainingError` when the tokenizer does not belong to the core.
    static func encode(
        _ examples: [LabelledExample], _ definition: TaskDefinition, tokenizer: any Tokenizer,
        configuration: T5Configuration, pool: WorkerPool
    ) throws(TrainingError) -> [EncodedExample] {
        let encoded = pool.map(examples) { example in
            Result { () throws(ServingError) in
                let (ids, isTruncated) = try definition.inputIDs(
                    of: example.input, tokenizer: tokenizer, configuration: configuration)
                let text = definition.beginning(of: example.input).text
                return EncodedExample(
                    example: example, ids: ids, isTruncated: isTruncated,
                    textHash: SHA256.digest(of: Array(text.utf8)))
            }
        }
        do {
            return try encoded.map { row throws(ServingError) in try row.get() }
        } catch {
            throw TrainingError(wrapping: error)
        }
    }
}
