/// What a sequence is to generate, and how.
///
/// The initial values decode greedily. The options mean what those of `transformers` of the same name mean.
public struct GenerationOptions: Sendable {
    /// Ids that the decoder is given after its start id, before it answers.
    public var prefix: [Int32]
    /// Most ids to generate, the end-of-sequence id included. At least 1.
    public var maximumNewTokens: Int
    /// The end-of-sequence id is held back until this many ids are generated.
    public var minimumNewTokens = 0
    /// Logits of ids that the decoder has been given or has generated are divided (when positive) or
    /// multiplied (when negative) by this; 1 changes nothing. Beam search applies it to log-probabilities.
    public var repetitionPenalty: Float = 1
    /// 0 takes the likeliest id; above, ids are sampled from the logits divided by it.
    public var temperature: Float = 0
    /// Sampling considers only this many likeliest ids (and those as likely as the last of them); 0 considers
    /// all.
    public var topK = 0
    /// Sampling considers only the likeliest ids that together reach this probability, above 0 and at most 1.
    public var topP = 1.0
    /// What the samples follow from, whatever else is in the batch; `nil` takes a fresh one.
    public var seed: UInt64?
    /// Beams of a beam search; 1 is greedy decoding or sampling.
    public var beamCount = 1
    /// Beam search divides a sequence's log-likelihood by its number of generated ids to this power.
    public var lengthPenalty = 1.0
    /// Whether beam search ends as soon as it has as many finished sequences as beams, rather than when no
    /// running one is likely to become better than those.
    public var earlyStopping = false
    /// Sequences returned: at most `beamCount` of a beam search, any number of samples, one when greedy.
    public var returnedSequences = 1
    /// Whether a sequence ends with these generated ids, besides at the end-of-sequence id. Called after each
    /// id.
    public var stop: (@Sendable (_ generated: [Int32]) -> Bool)?

    /// Options for greedy decoding.
    public init(prefix: [Int32] = [], maximumNewTokens: Int) {
        self.prefix = prefix
        self.maximumNewTokens = maximumNewTokens
    }

    /// Most positions that the decoder's caches hold for these options, over all beams or samples.
    public var cachePositions: Int {
        // A beam search copies caches before it drops those that it copied from.
        let branches = beamCount > 1 ? 2 * beamCount : returnedSequences
        return branches * (prefix.count + maximumNewTokens)
    }

    /// Most decoder rows that the whole generation takes; `Int.max` when that is no number.
    public var decoderRows: Int {
        let (positions, overflows) = prefix.count.addingReportingOverflow(maximumNewTokens)
        let rows = positions.multipliedReportingOverflow(by: branchCount)
        return overflows || rows.overflow ? .max : rows.partialValue
    }

    /// Decoder rows that a step takes.
    public var branchCount: Int { max(beamCount, returnedSequences) }

    /// Refuses options out of their range, options that contradict each other, and ids that a core lacks.
    public func check(_ configuration: T5Configuration) throws(T5Error) {
        try configuration.check(prefix)
        func check(_ passes: Bool, _ message: @autoclosure () -> String) throws(T5Error) {
            guard passes else { throw T5Error(.input, message()) }
        }
        try check(maximumNewTokens >= 1, "maximumNewTokens is \(maximumNewTokens); at least 1 was expected")
        try check(beamCount >= 1, "beamCount is \(beamCount); at least 1 was expected")
        try check(
            returnedSequences >= 1, "returnedSequences is \(returnedSequences); at least 1 was expected")
        try check(topP > 0 && topP <= 1, "topP is \(topP); a number above 0 and at most 1 was expected")
        try check(repetitionPenalty > 0, "repetitionPenalty is \(repetitionPenalty); it must be above 0")
        try check(temperature >= 0, "temperature is \(temperature); at least 0 was expected")
        try check(
            beamCount == 1 || temperature == 0,
            "beamCount is \(beamCount) and temperature \(temperature); beams are not sampled")
        try check(
            temperature > 0 || returnedSequences <= beamCount,
            "returnedSequences is \(returnedSequences); at most beamCount (\(beamCount)), or a temperature "
                + "above 0, was expected")
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
