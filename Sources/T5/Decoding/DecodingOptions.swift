import JSON

/// How answers are generated: the `decoding` object of `task.json`, single members of which a request may replace.
///
/// The initial values are greedy decoding. Keys and meanings are those of `transformers`' generation options.
public struct DecodingOptions: Sendable, Hashable {
    /// Beams of a beam search, 1 to 256; 1 is greedy decoding or sampling.
    public var beamCount = 1
    /// 0 takes the likeliest id; 0.001 to 100 samples from the logits divided by it. At 0 `topK`, `topP`
    /// and `seed` change nothing.
    public var temperature = 0.0
    /// Sampling considers only this many likeliest ids (and those as likely as the last of them), 0 to 1,000,000;
    /// 0 considers all.
    public var topK = 0
    /// Sampling considers only the likeliest ids that together reach this probability, above 0 and at most 1.
    public var topP = 1.0
    /// Beam search divides a sequence's log-likelihood by its length to this power, -10 to 10 (Wu et al. 2016
    /// as in transformers).
    public var lengthPenalty = 1.0
    /// Whether beam search ends as soon as it has as many finished sequences as beams, rather than when no
    /// running one is likely to become better than those.
    public var earlyStopping = false
    /// Logits of ids that the decoder has been given or has generated are divided (when positive) or multiplied
    /// (when negative) by this, above 0 and at most 100 (Keskar et al. 2019); 1 changes nothing. Beam search
    /// applies it to log-probabilities.
    public var repetitionPenalty = 1.0
    /// The end-of-sequence id is held back until this many ids are generated, 0 to 65,536.
    public var minimumNewTokens = 0
    /// Generation ends before the first of these texts, at most 16 of 1 to 1,024 bytes. A core knows ids alone, so
    /// whoever has the tokenizer tells it by `GenerationOptions.isComplete`.
    public var stop: [String] = []
    /// What the samples follow from, whatever else is in the batch; `nil` takes a fresh seed for each request.
    public var seed: UInt64?
    /// Sequences returned, 1 to 256: at most `beamCount` of a beam search, any number of samples, one when greedy.
    public var returnedSequences = 1

    /// Greedy decoding.
    public init() {}
}

// MARK: - Rules

extension DecodingOptions {
    /// Whether ids are drawn by their probabilities: at any temperature that is not 0.
    var isSampling: Bool { temperature >= 0.001 }

    /// What is wrong with these options: one out of its range, or two that contradict each other.
    ///
    /// - Parameter prefix: Written before a key's name.
    public func problem(at prefix: String = "") -> String? {
        func mismatch(_ key: String, _ found: String, _ expected: String) -> String {
            JSONValue.mismatch(prefix + key, found: found, expected: expected)
        }
        for (key, value, range) in [
            ("num_beams", beamCount, 1...256), ("top_k", topK, 0...1_000_000),
            ("min_new_tokens", minimumNewTokens, 0...65_536),
            ("num_return_sequences", returnedSequences, 1...256),
        ] where !range.contains(value) {
            return mismatch(
                key, "the number \(value)", "an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        // Below the lower bound the quotient of a logit could overflow single precision.
        // Threads that compute take the least numbers for 0, others don't; comparisons with normal numbers come out the
        // same on both.
        guard temperature.magnitude < .leastNormalMagnitude || (0.001...100).contains(temperature) else {
            return mismatch("temperature", "the number \(temperature)", "0 or a number from 0.001 to 100")
        }
        guard topP >= .leastNormalMagnitude, topP <= 1 else {
            return mismatch("top_p", "the number \(topP)", "a number above 0 and at most 1")
        }
        guard (-10...10).contains(lengthPenalty) else {
            return mismatch("length_penalty", "the number \(lengthPenalty)", "a number from -10 to 10")
        }
        guard Float(repetitionPenalty) >= .leastNormalMagnitude, repetitionPenalty <= 100 else {
            return mismatch(
                "repetition_penalty", "the number \(repetitionPenalty)", "a number above 0 and at most 100")
        }
        guard stop.count <= 16 else { return mismatch("stop", "\(stop.count) texts", "at most 16") }
        for (index, text) in stop.enumerated() where !(1...1_024).contains(text.utf8.count) {
            return mismatch("stop[\(index)]", "a text of \(text.utf8.count) bytes", "one of 1 to 1024")
        }
        guard beamCount == 1 || !isSampling else {
            return mismatch(
                "num_beams", "the number \(beamCount) with \"\(prefix)temperature\" \(temperature)",
                "1 when sampling, or temperature 0 for beam search")
        }
        guard isSampling || returnedSequences <= beamCount else {
            return mismatch(
                "num_return_sequences", "the number \(returnedSequences)",
                "at most \"\(prefix)num_beams\" (\(beamCount)), or a temperature above 0,")
        }
        return nil
    }
}

// MARK: - JSON

extension DecodingOptions {
    /// The keys of the JSON form, in the order `json` writes them.
    public static let keys = [
        "num_beams", "temperature", "top_k", "top_p", "length_penalty", "early_stopping",
        "repetition_penalty", "min_new_tokens", "stop", "seed", "num_return_sequences",
    ]

    /// Other options with the members of an object over them. Members of other keys are left to the caller: in a
    /// request the decoding options stand beside `task` and `input`.
    ///
    /// - Throws: The reader's error for a wrong type, a value out of range, or options that contradict each other.
    public init<Failure>(
        _ reader: ObjectReader<Failure>, over defaults: DecodingOptions = DecodingOptions()
    ) throws(Failure) {
        self = defaults
        if let member = reader["num_beams"] { beamCount = try member.integer() }
        if let member = reader["temperature"] { temperature = try member.number() }
        if let member = reader["top_k"] { topK = try member.integer() }
        if let member = reader["top_p"] { topP = try member.number() }
        if let member = reader["length_penalty"] { lengthPenalty = try member.number() }
        if let member = reader["early_stopping"] { earlyStopping = try member.boolean() }
        if let member = reader["repetition_penalty"] { repetitionPenalty = try member.number() }
        if let member = reader["min_new_tokens"] { minimumNewTokens = try member.integer() }
        if let member = reader["stop"] { stop = try member.strings() }
        if let member = reader["seed"] { seed = UInt64(try member.integer(in: 0...Int.max)) }
        if let member = reader["num_return_sequences"] { returnedSequences = try member.integer() }
        if let problem = problem(at: reader.prefix) { throw reader.refusal(problem) }
    }

    /// The object with every key; `seed` only when there is one.
    public var json: JSONObject {
        JSONObject(
            [
                ("num_beams", JSONValue(beamCount)), ("temperature", JSONValue(temperature)),
                ("top_k", JSONValue(topK)), ("top_p", JSONValue(topP)),
                ("length_penalty", JSONValue(lengthPenalty)), ("early_stopping", .bool(earlyStopping)),
                ("repetition_penalty", JSONValue(repetitionPenalty)),
                ("min_new_tokens", JSONValue(minimumNewTokens)),
                ("stop", .array(stop.map(JSONValue.string))),
            ] + (seed.map { [("seed", JSONValue($0))] } ?? []) + [
                ("num_return_sequences", JSONValue(returnedSequences))
            ])
    }
}
