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
        /// What the decoder reads: start id, target prefix, answer, as far as a loss needs it.
        let tokens: [Int32]
    }

    /// A position that a loss is taken of.
    struct Position {
        let item: Int
        /// Its decoder row.
        let row: Int
        let target: Int32
        /// `nil` for all pieces.
        let candidates: [Int32]?
        let weight: Float
    }

    /// How many sequences the caller gave.
    let sequenceCount: Int
    private(set) var items: [Item] = []
    private(set) var positions: [Position] = []
    /// Where each item's rows begin, and the number of rows as the last.
    private(set) var encoderRows = [0]
    private(set) var decoderRows = [0]

    /// Each item's decoder rows, and its encoder rows as their keys.
    var crossSpans: [AttentionSpan] {
        items.indices.map { item in
            AttentionSpan(
                queries: decoderRows[item]..<decoderRows[item + 1],
                keys: encoderRows[item]..<encoderRows[item + 1])
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
        let lossPlaces = sequence.target.indices.filter { (sequence.candidates?[$0].count ?? 2) > 1 }
        guard let last = lossPlaces.last else { return }
        let tokens = [startID] + sequence.targetPrefix + sequence.target.prefix(last)
        let firstRow = decoderRows[decoderRows.count - 1]
        for place in lossPlaces {
            positions.append(
                Position(
                    item: items.count, row: firstRow + sequence.targetPrefix.count + place,
                    target: sequence.target[place], candidates: sequence.candidates?[place],
                    weight: sequence.weight))
        }
        items.append(
            Item(
                sequence: index, prompt: promptRows > 0 ? sequence.prompt : nil, promptRows: promptRows,
                inputIDs: sequence.inputIDs, tokens: tokens))
        encoderRows.append(encoderRows[encoderRows.count - 1] + promptRows + sequence.inputIDs.count)
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
