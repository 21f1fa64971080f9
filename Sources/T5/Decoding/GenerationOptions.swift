/// What a sequence is to generate, and how.
public struct GenerationOptions: Sendable {
    /// Ids that the decoder is given after its start id, before it answers.
    public var prefix: [Int32]
    /// Most ids to generate, the end-of-sequence id included. At least 1.
    public var maximumNewTokens: Int
    /// How the ids are chosen.
    public var decoding: DecodingOptions
    /// Whether a sequence ends with these generated ids, besides at the end-of-sequence id. Called after each
    /// id; needed where `decoding.stop` names texts.
    public var isComplete: (@Sendable (_ generated: [Int32]) -> Bool)?

    /// Options for generating so many ids, greedily unless said otherwise.
    ///
    /// - Parameters:
    ///   - prefix: Ids that the decoder is given after its start id.
    ///   - maximumNewTokens: Most ids to generate, at least 1.
    ///   - decoding: How the ids are chosen.
    public init(
        prefix: [Int32] = [], maximumNewTokens: Int, decoding: DecodingOptions = DecodingOptions()
    ) {
        self.prefix = prefix
        self.maximumNewTokens = maximumNewTokens
        self.decoding = decoding
    }

    /// Most positions that the decoder's caches hold for these options, over all beams or samples.
    public var cachePositions: Int {
        // A beam search copies caches before it drops those that it copied from.
        let branches = decoding.beamCount > 1 ? 2 * decoding.beamCount : decoding.returnedSequences
        return branches * (prefix.count + maximumNewTokens)
    }

    /// Most decoder rows that the whole generation takes; `Int.max` when that is no number.
    public var decoderRows: Int {
        let (positions, overflows) = prefix.count.addingReportingOverflow(maximumNewTokens)
        let rows = positions.multipliedReportingOverflow(by: branchCount)
        return overflows || rows.overflow ? .max : rows.partialValue
    }

    /// Decoder rows that a step takes.
    public var branchCount: Int { max(decoding.beamCount, decoding.returnedSequences) }

    /// Refuses ids that a core lacks, options out of their range, and options that contradict each other.
    ///
    /// - Throws: `T5Error` saying what is wrong.
    public func check(_ configuration: T5Configuration) throws(T5Error) {
        try configuration.check(prefix)
        if let problem = decoding.problem() { throw T5Error(.input, problem) }
        guard maximumNewTokens >= 1 else {
            throw T5Error(.input, "maximumNewTokens is \(maximumNewTokens); at least 1 was expected")
        }
        guard decoding.stop.isEmpty || isComplete != nil else {
            throw T5Error(
                .input, "\"stop\" has texts, which isComplete must look for: a core knows ids alone")
        }
    }
}

/// What a sequence generated.
public struct Generation: Sendable, Equatable {
    /// The generated ids; the end-of-sequence id is the last when it was produced.
    public var ids: [Int32] = []
    /// Whether the end-of-sequence id or the stop condition ended it, rather than the limit.
    public var isFinished = false

    /// Nothing generated yet.
    public init() {}

    init(ids: [Int32], isFinished: Bool) {
        self.ids = ids
        self.isFinished = isFinished
    }
}
