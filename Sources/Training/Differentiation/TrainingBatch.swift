import CKernels
import T5

/// A batch as it is stacked: which rows each sequence has in encoder and decoder, and where losses are taken.
///
/// A sequence whose answer costs nothing to tell (each of its ids is the only candidate) has no rows.
struct TrainingBatch {
    /// A sequence that is computed.
    struct Item {
        /// Its index among the caller's sequences.
        let sequence: Int
        let prompt: Int?
        let promptRows: Int
        let inputIDs: [Int32]
        /// What its loss is multiplied with.
        let weight: Float
        /// The answers that the decoder reads: its own first, then the alternatives.
        let paths: Range<Int>
        /// Whether the loss is that of the choice among its paths.
        let isChoice: Bool
    }

    /// What the decoder reads of one answer: start id, target prefix, answer, as far as a loss needs it.
    struct Path {
        /// Whose answer it is.
        let item: Int
        let tokens: [Int32]
    }

    /// A position that a loss is taken of.
    struct Position {
        let path: Int
        /// Its decoder row.
        let row: Int
        let target: Int32
        /// `nil` for all pieces.
        let candidates: [Int32]?
    }

    /// How many sequences the caller gave.
    let sequenceCount: Int
    private(set) var items: [Item] = []
    private(set) var paths: [Path] = []
    private(set) var positions: [Position] = []
    /// Where each item's rows begin, and the number of rows as the last.
    private(set) var encoderRows = [0]
    /// Where each path's rows begin, and the number of rows as the last.
    private(set) var decoderRows = [0]

    /// Each item's decoder rows, those of all its paths, and its encoder rows as their keys.
    var crossSpans: [AttentionSpan] {
        items.enumerated().map { index, item in
            AttentionSpan(
                queries: decoderRows[item.paths.lowerBound]..<decoderRows[item.paths.upperBound],
                keys: encoderRows[index]..<encoderRows[index + 1])
        }
    }

    /// The longest sequence of the encoder and of the decoder.
    var longest: (encoder: Int, decoder: Int) {
        func longest(_ rows: [Int]) -> Int { zip(rows, rows.dropFirst()).map { $1 - $0 }.max() ?? 0 }
        return (longest(encoderRows), longest(decoderRows))
    }

    /// Checks and stacks a batch.
    init(
        prompts: [[Float]], sequences: [TrainingSequence], configuration: T5Configuration
    ) throws(T5Error) {
        sequenceCount = sequences.count
        guard !sequences.isEmpty else {
            throw T5Error(.input, "a training batch must have at least one sequence")
        }
        for (index, prompt) in prompts.enumerated() {
            try Self.check(prompt, index, width: configuration.modelWidth)
        }
        for (index, sequence) in sequences.enumerated() {
            try Self.check(sequence, index, prompts: prompts.count, configuration)
            let rows = sequence.prompt.map { prompts[$0].count / configuration.modelWidth } ?? 0
            guard rows + sequence.inputIDs.count > 0 else {
                throw T5Error(.input, "sequence \(index) has neither prompt rows nor input ids")
            }
            add(sequence, index, promptRows: rows, startID: configuration.decoderStartID)
        }
    }

    private mutating func add(
        _ sequence: TrainingSequence, _ index: Int, promptRows: Int, startID: Int32
    ) {
        // The answers that something has to be computed of.
        var answers = [sequence.target]
        if let alternatives = sequence.alternatives {
            guard !alternatives.isEmpty else { return }
            answers += alternatives
        } else if sequence.candidates?.allSatisfy({ $0.count == 1 }) ?? false {
            return
        }
        let firstPath = paths.count
        for answer in answers { addPath(answer, of: sequence, startID: startID) }
        items.append(
            Item(
                sequence: index, prompt: promptRows > 0 ? sequence.prompt : nil, promptRows: promptRows,
                inputIDs: sequence.inputIDs, weight: sequence.weight, paths: firstPath..<paths.count,
                isChoice: sequence.alternatives != nil))
        encoderRows.append(encoderRows[encoderRows.count - 1] + promptRows + sequence.inputIDs.count)
    }

    /// Adds an answer of the item to come, with the positions that its ids are told at.
    private mutating func addPath(_ answer: [Int32], of sequence: TrainingSequence, startID: Int32) {
        let firstRow = decoderRows[decoderRows.count - 1]
        let start = [startID] + sequence.targetPrefix
        let told = answer.indices.filter { (sequence.candidates?[$0].count ?? 2) > 1 }
        for place in told {
            positions.append(
                Position(
                    path: paths.count, row: firstRow + sequence.targetPrefix.count + place,
                    target: answer[place], candidates: sequence.candidates?[place]))
        }
        let tokens = start + answer.prefix(told.last ?? 0)
        paths.append(Path(item: items.count, tokens: tokens))
        decoderRows.append(firstRow + tokens.count)
    }

    private static func check(_ prompt: [Float], _ index: Int, width: Int) throws(T5Error) {
        guard prompt.count % width == 0 else {
            throw T5Error(
                .input,
                "prompt \(index) has \(prompt.count) values, which are not rows of the core's width \(width)")
        }
        let place = prompt.withUnsafeBufferPointer { values in
            values.baseAddress.map { pp_first_not_finite_32($0, values.count) } ?? 0
        }
        guard place == prompt.count else {
            throw T5Error(
                .input,
                "prompt \(index) has the value \(prompt[place]) at row \(place / width), column \(place % width); "
                    + "a number within float32's range was expected: lower the learning rate")
        }
    }

    private static func check(
        _ sequence: TrainingSequence, _ index: Int, prompts: Int, _ configuration: T5Configuration
    ) throws(T5Error) {
        if let prompt = sequence.prompt, !(0..<prompts).contains(prompt) {
            throw T5Error(.input, "sequence \(index) names prompt \(prompt); the batch has \(prompts)")
        }
        guard sequence.weight.isFinite else {
            throw T5Error(
                .input, "sequence \(index) has the weight \(sequence.weight); a finite one was expected")
        }
        guard !sequence.target.isEmpty else {
            throw T5Error(.input, "sequence \(index) has an empty answer; its target needs at least one id")
        }
        func check(_ ids: [Int32], _ what: String) throws(T5Error) {
            for id in ids where id < 0 || id >= configuration.vocabularySize {
                throw T5Error(
                    .input,
                    "sequence \(index): id \(id) in its \(what) is out of range; this core has ids 0 to "
                        + "\(configuration.vocabularySize - 1)")
            }
        }
        try check(sequence.inputIDs, "input")
        try check(sequence.targetPrefix, "target prefix")
        try check(sequence.target, "target")
        if let alternatives = sequence.alternatives {
            guard sequence.candidates == nil else {
                throw T5Error(
                    .input,
                    "sequence \(index) has both candidates and alternatives; one of them says over what its "
                        + "probability is taken")
            }
            for ids in alternatives {
                guard !ids.isEmpty, ids != sequence.target else {
                    throw T5Error(
                        .input,
                        "sequence \(index) has an alternative that is \(ids.isEmpty ? "empty" : "its target"); other "
                            + "answers were expected")
                }
                try check(ids, "alternatives")
            }
        }
        guard let candidates = sequence.candidates else { return }
        guard candidates.count == sequence.target.count else {
            throw T5Error(
                .input,
                "sequence \(index) has candidates for \(candidates.count) ids; its target has \(sequence.target.count)"
            )
        }
        for (place, ids) in candidates.enumerated() {
            try check(ids, "candidates")
            guard ids.contains(sequence.target[place]) else {
                throw T5Error(
                    .input,
                    "sequence \(index): id \(sequence.target[place]) at place \(place) of its target is not among "
                        + "that place's candidates")
            }
            guard Set(ids).count == ids.count else {
                throw T5Error(
                    .input, "sequence \(index): a candidate occurs twice at place \(place) of its target")
            }
        }
    }
}
