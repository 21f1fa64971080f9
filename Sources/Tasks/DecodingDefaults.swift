import JSON

/// How answers are generated when a request does not say otherwise: the `decoding` object of `task.json`.
///
/// The initial values are greedy decoding. A request overrides single fields with ``overridden(by:at:)``;
/// every way of making a value ends in ``validate(at:)``, so that an engine can rely on its rules.
public struct DecodingDefaults: Sendable, Hashable {
    /// Beams kept by beam search, 1 to 256; 1 is greedy decoding or sampling.
    public var beamCount = 1
    /// 0 takes the likeliest piece; 0.001 to 100 samples from the logits divided by it. At 0 `topK`, `topP`
    /// and `seed` change nothing.
    public var temperature = 0.0
    /// Sampling considers only this many likeliest pieces, 0 to 1,000,000; 0 considers all.
    public var topK = 0
    /// Sampling considers only the likeliest pieces that together reach this probability, above 0 and at most 1.
    public var topP = 1.0
    /// Beam search divides a sequence's log-likelihood by its length to this power, -10 to 10 (Wu et al. 2016
    /// as in transformers); it has no effect with one beam.
    public var lengthPenalty = 1.0
    /// Whether beam search ends as soon as it has as many finished sequences as beams.
    public var earlyStopping = false
    /// Logits of pieces already generated are divided (when positive) or multiplied (when negative) by this,
    /// above 0 and at most 100 (Keskar et al. 2019); 1 changes nothing.
    public var repetitionPenalty = 1.0
    /// The end-of-sequence id is held back until this many pieces are generated, 0 to 65,536.
    public var minNewTokens = 0
    /// Generation ends before the first of these texts, at most 16 of 1 to 1,024 bytes.
    public var stop: [String] = []
    /// Seed of the sampler; `nil` takes a fresh one for each request.
    public var seed: UInt64?
    /// Answers returned for one request, 1 to 256: at most `beamCount` of a beam search, any number of samples,
    /// one when greedy.
    public var returnSequenceCount = 1

    /// Greedy decoding.
    public init() {}

    /// The keys of the JSON form, in the order ``json`` writes them.
    public static let keys = [
        "num_beams", "temperature", "top_k", "top_p", "length_penalty", "early_stopping",
        "repetition_penalty",
        "min_new_tokens", "stop", "seed", "num_return_sequences",
    ]

    /// Reads the object strictly: unknown keys, wrong types and values out of range are refused.
    /// - Parameter prefix: written before a key's name in messages.
    public init(json object: JSONObject, at prefix: String = "decoding.") throws(TaskError) {
        try self = DecodingDefaults().overridden(by: object, at: prefix, keys: Self.keys)
    }

    /// These settings with the members of `object` that ``keys`` names put over them. Other members are left to
    /// the caller: in a request the decoding options stand beside `task` and `input`.
    /// - Parameter prefix: written before a key's name in messages.
    public func overridden(by object: JSONObject, at prefix: String = "") throws(TaskError)
        -> DecodingDefaults
    {
        try overridden(by: object, at: prefix, keys: nil)
    }

    private func overridden(
        by object: JSONObject, at prefix: String, keys: [String]?
    ) throws(TaskError) -> DecodingDefaults {
        let reader = try ObjectReader(object, prefix: prefix, keys: keys) { TaskError($0) }
        var result = self
        result.beamCount = try reader["num_beams"]?.integer(in: Self.beamCounts) ?? beamCount
        result.temperature = try reader["temperature"]?.number() ?? temperature
        result.topK = try reader["top_k"]?.integer(in: Self.topKs) ?? topK
        result.topP = try reader["top_p"]?.number() ?? topP
        result.lengthPenalty = try reader["length_penalty"]?.number() ?? lengthPenalty
        result.earlyStopping = try reader["early_stopping"]?.boolean() ?? earlyStopping
        result.repetitionPenalty = try reader["repetition_penalty"]?.number() ?? repetitionPenalty
        result.minNewTokens =
            try reader["min_new_tokens"]?.integer(in: Self.minNewTokenCounts) ?? minNewTokens
        result.stop = try reader["stop"]?.strings() ?? stop
        result.seed = try reader["seed"]?.integer(in: 0...UInt64(Int.max)) ?? seed
        result.returnSequenceCount =
            try reader["num_return_sequences"]?.integer(in: Self.returnSequenceCounts) ?? returnSequenceCount
        try result.validate(at: prefix)
        return result
    }

    /// The object with every key; `seed` only when there is one.
    public var json: JSONObject {
        JSONObject(
            [
                ("num_beams", JSONValue(beamCount)), ("temperature", JSONValue(temperature)),
                ("top_k", JSONValue(topK)), ("top_p", JSONValue(topP)),
                ("length_penalty", JSONValue(lengthPenalty)), ("early_stopping", .bool(earlyStopping)),
                ("repetition_penalty", JSONValue(repetitionPenalty)),
                ("min_new_tokens", JSONValue(minNewTokens)), ("stop", .array(stop.map(JSONValue.string))),
            ] + (seed.map { [("seed", JSONValue($0))] } ?? []) + [
                ("num_return_sequences", JSONValue(returnSequenceCount))
            ])
    }
}

// MARK: - Rules

extension DecodingDefaults {
    private static let beamCounts = 1...256
    private static let topKs = 0...1_000_000
    private static let minNewTokenCounts = 0...65_536
    private static let returnSequenceCounts = 1...256
    private static let stopLimit = 16
    private static let stopByteLimit = 1_024

    /// Refuses a field out of its range, and fields that contradict each other.
    /// - Parameter prefix: written before a key's name in messages.
    public func validate(at prefix: String = "") throws(TaskError) {
        func check(_ passes: Bool, _ key: String, _ found: String, _ expected: String) throws(TaskError) {
            guard passes else {
                throw TaskError(JSONValue.mismatch(prefix + key, found: found, expected: expected))
            }
        }
        func check(_ value: Int, _ range: ClosedRange<Int>, _ key: String) throws(TaskError) {
            try check(
                range.contains(value), key, "the number \(value)",
                "an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        try check(beamCount, Self.beamCounts, "num_beams")
        // Below the lower bound the quotient of a logit could overflow single precision.
        try check(
            temperature == 0 || (0.001...100).contains(temperature), "temperature",
            "the number \(temperature)",
            "0 or a number from 0.001 to 100")
        try check(topK, Self.topKs, "top_k")
        try check(topP > 0 && topP <= 1, "top_p", "the number \(topP)", "a number above 0 and at most 1")
        try check(
            (-10...10).contains(lengthPenalty), "length_penalty", "the number \(lengthPenalty)",
            "a number from -10 to 10")
        try check(
            repetitionPenalty > 0 && repetitionPenalty <= 100, "repetition_penalty",
            "the number \(repetitionPenalty)", "a number above 0 and at most 100")
        try check(minNewTokens, Self.minNewTokenCounts, "min_new_tokens")
        try check(stop.count <= Self.stopLimit, "stop", "\(stop.count) texts", "at most \(Self.stopLimit)")
        for (index, text) in stop.enumerated() {
            try check(
                (1...Self.stopByteLimit).contains(text.utf8.count), "stop[\(index)]",
                "a text of \(text.utf8.count) bytes", "one of 1 to \(Self.stopByteLimit)")
        }
        try check(returnSequenceCount, Self.returnSequenceCounts, "num_return_sequences")
        try check(
            beamCount == 1 || temperature == 0, "num_beams",
            "the number \(beamCount) with \"\(prefix)temperature\" \(temperature)",
            "1 when sampling, or temperature 0 for beam search")
        try check(
            temperature > 0 || returnSequenceCount <= beamCount, "num_return_sequences",
            "the number \(returnSequenceCount)",
            "at most \"\(prefix)num_beams\" (\(beamCount)), or a temperature above 0,")
    }
}
