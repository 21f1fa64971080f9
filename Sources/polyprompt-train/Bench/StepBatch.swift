import Basics
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
                    var random = SplitMix64(key: 3, index: UInt64(place))
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
        let bytes: [UInt8]
        do { bytes = try readFile(path, limit: FileLimit.data) } catch { throw CommandError(wrapping: error) }
        let reader = try ObjectReader(parsing: bytes, at: path) { CommandError($0) }
        var prompt: [Float] = []
        for row in try reader.require("prompt").elements(of: "rows", count: 1...Int.max) {
            prompt += try row.floats(count: width)
        }
        var texts: [(ids: [Int32], target: [Int32])] = []
        for element in try reader.require("sequences").elements(of: "objects", count: 1...Int.max) {
            let sequence = try element.object()
            texts.append(
                (try sequence.require("input_ids").ids(), try sequence.require("target_ids").ids()))
        }
        self.init(prompt: prompt, texts: texts)
    }
}
