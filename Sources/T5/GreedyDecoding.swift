/// What a sequence is to generate.
public struct GenerationOptions: Sendable, Equatable {
    /// Ids that the decoder is given after its start id, before it answers.
    public var prefix: [Int32]
    /// Most ids to generate, the end-of-sequence id included. At least 1.
    public var maximumNewTokens: Int

    /// Options for greedy decoding.
    public init(prefix: [Int32] = [], maximumNewTokens: Int) {
        self.prefix = prefix
        self.maximumNewTokens = maximumNewTokens
    }
}

/// What a sequence generated.
public struct Generation: Sendable, Equatable {
    /// The generated ids; the end-of-sequence id is the last when it was produced.
    public var ids: [Int32] = []
    /// Whether the end-of-sequence id was produced within the limit.
    public var isFinished = false

    /// Nothing generated yet.
    public init() {}
}

extension T5Session {
    /// Decodes greedily, all sequences of a batch together: in every step each takes its likeliest next id (the
    /// lowest of equally likely ones), and those that have finished leave.
    ///
    /// - Parameter requests: The sequences of `encoded` to decode, with their options.
    /// - Throws: `T5Error` when a prefix id is out of range.
    public func generate(
        _ encoded: EncodedBatch, _ requests: [(sequence: Int, options: GenerationOptions)]
    ) throws(T5Error) -> [Generation] {
        for request in requests { try check(request.options.prefix) }
        var results = requests.map { _ in Generation() }
        var active = requests.enumerated().map { index, request in
            (
                index: index, options: request.options,
                sequence: DecoderSequence(encoded, sequence: request.sequence),
                next: [configuration.decoderStartID] + request.options.prefix
            )
        }
        while !active.isEmpty {
            let hidden = decode(active.map { DecoderInput(sequence: $0.sequence, tokens: $0.next) })
            var lastRows: [Int] = []
            var end = 0
            for sequence in active {
                end += sequence.next.count
                lastRows.append(end - 1)
            }
            for (row, id) in layers.argmax(gather(hidden, rows: lastRows), rows: lastRows.count).enumerated()
            {
                active[row].next = [id]
                results[active[row].index].ids.append(id)
            }
            active.removeAll { sequence in
                let isEnd = sequence.next[0] == configuration.endOfSequenceID
                if isEnd { results[sequence.index].isFinished = true }
                return isEnd || results[sequence.index].ids.count >= sequence.options.maximumNewTokens
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
