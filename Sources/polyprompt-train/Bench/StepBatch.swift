import Benchmarks
import CommandSupport
import Foundation
import JSON
import T5
import Tensors
import Training

/// What a benchmark's step trains on: a prompt and a mini-batch for it.
struct StepBatch {
    /// The prompt's rows at the start, `[rows, d_model]`, row-major.
    let prompt: [Float]
    /// The sequences, all with prompt 0. The sum of their weighted losses is the mean loss an id of the answers.
    let sequences: [TrainingSequence]

    private init(prompt: [Float], texts: [(ids: [Int32], target: [Int32])]) {
        self.prompt = prompt
        let count = texts.reduce(0) { $0 + $1.target.count }
        sequences = texts.map {
            TrainingSequence(prompt: 0, inputIDs: $0.ids, target: $0.target, weight: 1 / Float(count))
        }
    }

    /// Ids of all answers.
    var targetCount: Int { sequences.reduce(0) { $0 + $1.target.count } }

    /// Prompt rows, ids and answers' ids of a step.
    func tokens(width: Int) -> Int {
        sequences.reduce(0) { $0 + prompt.count / width + $1.inputIDs.count + $1.target.count }
    }
}

// MARK: - Made from a seed

extension StepBatch {
    /// Mini-batches of this size, each for a prompt of its own: the same whatever the precision.
    ///
    /// Texts have 16 to 192 ids, answers one or two and the end-of-sequence id.
    static func generated(_ tasks: Int, of size: Int, _ configuration: T5Configuration) throws -> [StepBatch]
    {
        let pieces = configuration.vocabularySize
        let end = configuration.endOfSequenceID
        let texts = RequestSet.texts(tasks * size, lengths: 16...192, vocabularySize: pieces)
        return try (0..<tasks).map { index in
            let task = try RequestSet.task(
                index, width: configuration.modelWidth, vocabularySize: pieces, endOfSequence: end,
                hasLabels: false)
            let range = index * size..<(index + 1) * size
            return StepBatch(
                prompt: task.prompt.values,
                texts: range.map { place in
                    var random = SplitMix64(stream: 3, index: place)
                    let answer = (0..<Int.random(in: 1...2, using: &random)).map { _ in
                        Int32.random(in: RequestSet.firstTextID..<Int32(pieces), using: &random)
                    }
                    return (texts[place], answer + [end])
                })
        }
    }
}

// MARK: - Read from a file

extension StepBatch {
    /// Reads a batch that other implementations train on too: `prompt`, the rows at the start, and `sequences`, each
    /// with `input_ids` and `target_ids`.
    ///
    /// - Parameter width: The core's `d_model`. Ids are checked by the pass.
    init(path: String, width: Int) throws(CommandError) {
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw CommandError("cannot read the batch in \(path)")
        }
        let value: JSONValue
        do { value = try JSONValue.parse(bytes) } catch {
            throw CommandError("\(path) is not JSON: \(error)")
        }
        func failure(_ key: String, _ expected: String) -> CommandError {
            CommandError("\(path): \(key) is not as expected: \(expected)")
        }
        guard let object = value.object else { throw CommandError("\(path) is not a JSON object") }
        guard let rows = object["prompt"]?.array, !rows.isEmpty else {
            throw failure("prompt", "an array of at least one row")
        }
        var prompt: [Float] = []
        for (index, row) in rows.enumerated() {
            let values = row.array?.compactMap(\.double) ?? []
            guard values.count == width, row.array?.count == width else {
                throw failure("prompt[\(index)]", "\(width) numbers, the core's width")
            }
            prompt += values.map { Float($0) }
        }
        guard let elements = object["sequences"]?.array, !elements.isEmpty else {
            throw failure("sequences", "an array of at least one sequence")
        }
        var texts: [(ids: [Int32], target: [Int32])] = []
        for (index, element) in elements.enumerated() {
            guard let ids = Self.ids(element.object?["input_ids"]),
                let target = Self.ids(element.object?["target_ids"])
            else { throw failure("sequences[\(index)]", "an object with input_ids and target_ids") }
            texts.append((ids, target))
        }
        self.init(prompt: prompt, texts: texts)
    }

    private static func ids(_ value: JSONValue?) -> [Int32]? {
        guard let array = value?.array else { return nil }
        let ids = array.compactMap { $0.int.flatMap(Int32.init(exactly:)) }
        return ids.count == array.count && !ids.isEmpty ? ids : nil
    }
}
