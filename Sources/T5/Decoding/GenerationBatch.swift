import Basics
import CKernels
import Tensors

/// Sequences that are being generated together: of any requests, tasks and ways of decoding, in any stage.
///
/// Sequences join between steps and leave when they are done; every step is one decoder pass over all of
/// them. Used by one thread at a time, which must not use the session for anything else during a step.
public final class GenerationBatch {
    /// A sequence that is done.
    public struct Finished: Sendable {
        /// What `add` returned for it.
        public let ticket: Int
        /// The generated sequences, the best first, at least one.
        public let generations: [Generation]
        /// Whether the core's numbers for it were; where not, nothing was generated.
        public let isFinite: Bool
    }

    fileprivate struct Entry {
        let ticket: Int
        var state: any DecodingState
        /// One for each of the state's branches.
        var sequences: [DecoderSequence]
        var isFinite = true
    }

    private let session: T5Session
    private var entries: [Entry] = []
    private var nextTicket = 0
    private var hasChanged = false
    private var logits = Scratch()

    /// Logits in memory at once: about this many numbers.
    private static let logitsAtOnce = 8 << 20

    /// A batch without sequences.
    public init(session: T5Session) { self.session = session }

    /// Whether there is nothing to generate.
    public var isEmpty: Bool { entries.isEmpty }

    /// Adds a sequence of an encoded batch; it takes part in every step from the next one on.
    ///
    /// - Returns: A number that tells its result from others.
    /// - Throws: `T5Error` when a prefix id is out of range or the options contradict each other.
    @discardableResult
    public func add(_ encoded: EncodedBatch, sequence: Int, _ options: GenerationOptions) throws(T5Error)
        -> Int
    {
        try options.check(session.configuration)
        let (start, end) = (session.configuration.decoderStartID, session.configuration.endOfSequenceID)
        let state: any DecodingState =
            options.decoding.beamCount > 1
            ? BeamDecoding(options, startID: start, endID: end, processor: session.pool.processor)
            : ChainDecoding(options, startID: start, endID: end)
        let limit = options.prefix.count + options.maximumNewTokens
        entries.append(
            Entry(
                ticket: nextTicket, state: state,
                sequences: [DecoderSequence(encoded, sequence: sequence, limit: limit)]))
        hasChanged = true
        nextTicket += 1
        return nextTicket - 1
    }

    /// Drops a sequence before it is done: it takes part in no further step.
    public func remove(_ ticket: Int) {
        entries.removeAll { $0.ticket == ticket }
        hasChanged = true
    }

    /// One decoder pass over all sequences, and the choice of their next ids.
    ///
    /// - Parameter onToken: Called with each new id, the ticket of its sequence and, where several sequences
    ///   are sampled for one, its place among those; not with a beam search's, which may still be discarded.
    /// - Returns: Those that are done, which leave.
    public func step(
        onToken: (_ ticket: Int, _ generation: Int, _ id: Int32) -> Void = { _, _, _ in }
    ) -> [Finished] {
        guard !isEmpty else { return [] }
        releaseEncoderRows()
        var inputs: [DecoderInput] = []
        var rows = Rows()
        var tokens = 0
        for (index, entry) in entries.enumerated() {
            let takesLikeliest = entry.state.takesLikeliest
            for (branch, (reads, sequence)) in zip(entry.state.branches, entry.sequences).enumerated() {
                inputs.append(DecoderInput(sequence: sequence, tokens: reads.tokens))
                tokens += reads.tokens.count
                let row = Row(entry: index, branch: branch, row: tokens - 1)
                if takesLikeliest { rows.likeliest.append(row) } else { rows.chosen.append(row) }
            }
        }
        let choices = choose(session.decode(inputs), rows)
        for (index, choices) in choices.enumerated() {
            let ticket = entries[index].ticket
            let finite = choices.compactMap { $0 }
            guard finite.count == choices.count else {
                entries[index].isFinite = false
                continue
            }
            entries[index].advance(finite) { onToken(ticket, $0, $1) }
        }
        var finished: [Finished] = []
        entries.removeAll { entry in
            guard entry.state.branches.isEmpty || !entry.isFinite else { return false }
            let generations = entry.isFinite ? entry.state.generations : []
            finished.append(
                Finished(
                    ticket: entry.ticket, generations: generations.isEmpty ? [Generation()] : generations,
                    isFinite: entry.isFinite))
            return true
        }
        hasChanged = !finished.isEmpty
        return finished
    }

    /// A row of the decoder's output that a branch chooses from.
    private struct Row {
        let entry: Int
        let branch: Int
        let row: Int
    }

    private struct Rows {
        var likeliest: [Row] = []
        /// Rows whose logits are looked at.
        var chosen: [Row] = []
    }

    /// What may follow each entry's branches; `nil` where the numbers to choose by are not finite.
    private func choose(_ hidden: AlignedBuffer, _ rows: Rows) -> [[[TokenScore]?]] {
        var choices = entries.map { [[TokenScore]?](repeating: nil, count: $0.sequences.count) }
        // The head's products could hide what is not finite in their rows.
        func isFinite(_ row: Row) -> Bool {
            let d = session.configuration.modelWidth
            return pp_first_not_finite_32(hidden.floats + row.row * d, d) == d
        }
        if !rows.likeliest.isEmpty {
            let ids = session.layers.argmax(
                session.gather(hidden, rows: rows.likeliest.map(\.row)), rows: rows.likeliest.count)
            for (row, id) in zip(rows.likeliest, ids) where isFinite(row) {
                choices[row.entry][row.branch] = id.map { [TokenScore(id: $0, score: 0)] }
            }
        }
        let vocabulary = session.configuration.vocabularySize
        let block = max(16, Self.logitsAtOnce / vocabulary)
        for start in stride(from: 0, to: rows.chosen.count, by: block) {
            let part = rows.chosen[start..<min(start + block, rows.chosen.count)]
            let logits: UnsafeMutablePointer<Float> = logits.reserve(part.count * vocabulary)
            session.layers.logits(
                session.gather(hidden, rows: part.map(\.row)), rows: part.count, into: logits)
            let chosen = session.pool.map(Array(zip(part, 0..<part.count))) { row, index -> [TokenScore]? in
                let logits = logits + index * vocabulary
                guard isFinite(row), pp_first_not_finite_32(logits, vocabulary) == vocabulary else {
                    return nil
                }
                return entries[row.entry].state.choose(
                    branch: row.branch,
                    logits: UnsafeMutableBufferPointer(start: logits, count: vocabulary))
            }
            for (row, tokens) in zip(part, chosen) { choices[row.entry][row.branch] = tokens }
        }
        return choices
    }

    /// Lets go of encoder rows of sequences that have left, once those are more than half of their encoded
    /// batch: what remains is copied together. So less than twice the rows in use are kept, and a row is
    /// copied once on average.
    private func releaseEncoderRows() {
        guard hasChanged else { return }
        let users = Dictionary(grouping: entries.indices) { ObjectIdentifier(entries[$0].encoded) }
        for indices in users.values {
            let encoded = entries[indices[0]].encoded
            var kept: [Int] = []
            for index in indices where kept.last != entries[index].number {
                kept.append(entries[index].number)
            }
            guard 2 * kept.reduce(0, { $0 + encoded.range(of: $1).count }) < encoded.rowCount else {
                continue
            }
            let smaller = encoded.keeping(kept, rowSize: session.core.cacheRowSize)
            var place = 0
            for index in indices {
                if entries[index].number != kept[place] { place += 1 }
                for sequence in entries[index].sequences { sequence.move(to: smaller, sequence: place) }
            }
        }
    }
}

extension GenerationBatch.Entry {
    var encoded: EncodedBatch { sequences[0].encoded }
    /// The sequence's number within the encoded batch.
    var number: Int { sequences[0].number }

    /// Advances the state, and has the branches that go on take their origins' caches: the first to continue
    /// an origin takes it over, others a copy.
    fileprivate mutating func advance(_ choices: [[TokenScore]], onToken: (Int, Int32) -> Void) {
        state.advance(choices, onToken: onToken)
        var isTaken = Array(repeating: false, count: sequences.count)
        sequences = state.branches.map { branch in
            defer { isTaken[branch.origin] = true }
            return isTaken[branch.origin] ? sequences[branch.origin].fork() : sequences[branch.origin]
        }
    }
}

extension T5Core {
    /// Bytes of one position's keys and values in one decoder layer.
    var cacheRowSize: Int { 2 * configuration.innerWidth * (precision == .float32 ? 4 : 2) }

    /// Most bytes that generating from so many encoder rows holds in keys and values.
    public func cacheBytes(encoderRows: Int, _ options: GenerationOptions) -> Int {
        // Twice the encoder rows: see `GenerationBatch.releaseEncoderRows`.
        (2 * encoderRows + options.cachePositions) * configuration.decoderLayers * cacheRowSize
    }
}

extension T5Session {
    /// Generates for sequences of an encoded batch, all together to the end.
    ///
    /// - Parameters:
    ///   - encoded: The batch.
    ///   - requests: Which of its sequences to decode, with their options.
    /// - Returns: Each one's best generation.
    /// - Throws: `T5Error` when a prefix id is out of range, options contradict each other, or the core's numbers are
    ///   not finite.
    public func generate(
        _ encoded: EncodedBatch, _ requests: [(sequence: Int, options: GenerationOptions)]
    ) throws(T5Error) -> [Generation] {
        let batch = GenerationBatch(session: self)
        for request in requests { try batch.add(encoded, sequence: request.sequence, request.options) }
        var results = requests.map { _ in Generation() }
        while !batch.isEmpty {
            for finished in batch.step() {
                guard finished.isFinite else {
                    throw T5Error(.notFinite, "the core's numbers for a sequence are not finite")
                }
                results[finished.ticket] = finished.generations[0]
            }
        }
        return results
    }

    /// The logits over the whole vocabulary for the first id after the decoder's start id.
    public func firstLogits(_ encoded: EncodedBatch, sequence: Int) -> [Float] {
        let start = DecoderInput(
            sequence: DecoderSequence(encoded, sequence: sequence), tokens: [configuration.decoderStartID])
        let hidden = decode([start])
        var result: [Float] = []
        logits(hidden, rows: [0]) { _, logits in
            result = Array(UnsafeBufferPointer(start: logits, count: configuration.vocabularySize))
        }
        return result
    }
}
