import Foundation
import JSON

/// The fields of a T5 `config.json` that change the result, with the defaults that `transformers` 4.57 gives to
/// absent keys (`T5Config`, `MT5Config`).
public struct T5Configuration: Sendable, Equatable {
    /// What the feed-forward layer does between its matrices.
    public enum FeedForward: String, Sendable {
        /// `relu(x wi) wo`, T5 1.0.
        case relu
        /// `(gelu(x wi_0) * (x wi_1)) wo` with the tanh form of GELU: T5 1.1, Flan-T5, mT5, ByT5.
        case gatedGELU = "gated-gelu"

        /// The matrices that read the layer's input, as checkpoints name them: the gate first.
        var inputNames: [String] { self == .relu ? ["wi"] : ["wi_0", "wi_1"] }

        /// Whether a gate is multiplied with another factor.
        package var isGated: Bool { self == .gatedGELU }
    }

    /// Rows of the embedding and of the LM head; may exceed the tokenizer's pieces.
    public var vocabularySize = 32128
    /// Width of the residual stream (`d_model`).
    public var modelWidth = 512
    /// Width of one attention head (`d_kv`).
    public var headWidth = 64
    /// Width of the feed-forward layer (`d_ff`).
    public var feedForwardWidth = 2048
    /// Encoder layers (`num_layers`).
    public var encoderLayers = 6
    /// Decoder layers (`num_decoder_layers`).
    public var decoderLayers = 6
    /// Attention heads (`num_heads`).
    public var heads = 8
    /// Buckets of the relative position bias.
    public var relativeBuckets = 32
    /// Distance from which on all positions share the last bucket.
    public var relativeMaximumDistance = 128
    /// Added to the mean square before its root is taken.
    public var layerNormEpsilon: Float = 1e-6
    /// The feed-forward layer's form.
    public var feedForward = FeedForward.relu
    /// `tie_word_embeddings` as the configuration states it.
    public var tieWordEmbeddings = true
    /// `scale_decoder_outputs`, which directories written by transformers 5 carry; `nil` elsewhere.
    public var scaleDecoderOutputs: Bool?
    /// Fed to the decoder first.
    public var decoderStartID: Int32 = 0
    /// Ends a sequence.
    public var endOfSequenceID: Int32 = 1

    /// The defaults of `T5Config`.
    public init() {}

    /// Width of all heads together; may differ from `modelWidth`.
    public var innerWidth: Int { heads * headWidth }

    /// Largest extent accepted for any field, so that no product of two overflows or exhausts memory unseen.
    static let maximumExtent = 1 << 24

    /// Reads `config.json`.
    public init(path: String) throws(T5Error) {
        let data: Data
        do {
            data = try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw T5Error(.unreadable, "cannot read \(path): a core directory has a config.json")
        }
        let object: JSONObject
        do {
            guard let value = try JSONValue.parse(data).object else {
                throw T5Error(.configuration, "\(path) is not a JSON object")
            }
            object = value
        } catch let error as JSONError {
            throw T5Error(.configuration, "\(path) is not JSON: \(error)")
        } catch let error as T5Error {
            throw error
        } catch {
            throw T5Error(.configuration, "\(path): \(error)")
        }
        try self.init(object, path: path)
    }

    /// Reads a parsed `config.json`; `path` is for messages.
    public init(_ object: JSONObject, path: String) throws(T5Error) {
        let reader = ConfigurationReader(object: object, path: path)
        let modelType = try reader.string("model_type") ?? "t5"
        switch modelType {
        case "t5": break
        case "mt5":
            vocabularySize = 250_112
            feedForwardWidth = 1024
            encoderLayers = 8
            heads = 6
            feedForward = .gatedGELU
            tieWordEmbeddings = false
        default:
            throw T5Error(
                .configuration, "\(path): model_type is \"\(modelType)\"; \"t5\" or \"mt5\" was expected")
        }
        vocabularySize = try reader.extent("vocab_size") ?? vocabularySize
        modelWidth = try reader.extent("d_model") ?? modelWidth
        headWidth = try reader.extent("d_kv") ?? headWidth
        feedForwardWidth = try reader.extent("d_ff") ?? feedForwardWidth
        encoderLayers = try reader.extent("num_layers") ?? encoderLayers
        decoderLayers = try reader.extent("num_decoder_layers") ?? encoderLayers
        heads = try reader.extent("num_heads") ?? heads
        relativeBuckets = try reader.extent("relative_attention_num_buckets") ?? relativeBuckets
        relativeMaximumDistance =
            try reader.extent("relative_attention_max_distance") ?? relativeMaximumDistance
        guard relativeBuckets >= 4, relativeBuckets % 2 == 0, relativeMaximumDistance > relativeBuckets / 2
        else {
            throw reader.failure(
                "relative_attention_num_buckets",
                "an even number of at least 4, with relative_attention_max_distance above its half",
                found: "\(relativeBuckets) and \(relativeMaximumDistance)")
        }
        if let epsilon = try reader.number("layer_norm_epsilon") {
            guard epsilon >= 0, epsilon < 1 else {
                throw reader.failure("layer_norm_epsilon", "a number from 0 to 1", found: "\(epsilon)")
            }
            layerNormEpsilon = Float(epsilon)
        }
        if let form = try reader.string("feed_forward_proj") {
            guard let known = FeedForward(rawValue: form) else {
                throw reader.failure("feed_forward_proj", "\"relu\" or \"gated-gelu\"", found: "\"\(form)\"")
            }
            feedForward = known
        }
        tieWordEmbeddings = try reader.bool("tie_word_embeddings") ?? tieWordEmbeddings
        scaleDecoderOutputs = try reader.bool("scale_decoder_outputs")
        let pad = try reader.id("pad_token_id", below: vocabularySize) ?? 0
        decoderStartID = try reader.id("decoder_start_token_id", below: vocabularySize) ?? pad
        endOfSequenceID = try reader.id("eos_token_id", below: vocabularySize) ?? endOfSequenceID
        guard heads.multipliedReportingOverflow(by: headWidth).partialValue <= Self.maximumExtent else {
            throw reader.failure(
                "num_heads", "num_heads × d_kv of at most \(Self.maximumExtent)", found: "more")
        }
    }

    /// The fields as lines of text in a fixed order: the configuration's part of a core's fingerprint.
    var canonicalText: String {
        """
        vocab_size \(vocabularySize)
        d_model \(modelWidth)
        d_kv \(headWidth)
        d_ff \(feedForwardWidth)
        num_layers \(encoderLayers)
        num_decoder_layers \(decoderLayers)
        num_heads \(heads)
        relative_attention_num_buckets \(relativeBuckets)
        relative_attention_max_distance \(relativeMaximumDistance)
        layer_norm_epsilon \(layerNormEpsilon.bitPattern)
        feed_forward_proj \(feedForward.rawValue)
        decoder_start_token_id \(decoderStartID)
        eos_token_id \(endOfSequenceID)

        """
    }
}

/// Typed access to the members of `config.json`. `null` counts as absent, as it does in `transformers`.
private struct ConfigurationReader {
    let object: JSONObject
    let path: String

    func failure(_ key: String, _ expected: String, found: String) -> T5Error {
        T5Error(.configuration, "\(path): \(key) is \(found); \(expected) was expected")
    }

    private func value<Value>(
        _ key: String, _ expected: String, _ read: (JSONValue) -> Value?
    ) throws(T5Error) -> Value? {
        guard let member = object[key], !member.isNull else { return nil }
        guard let value = read(member) else { throw failure(key, expected, found: member.line) }
        return value
    }

    func string(_ key: String) throws(T5Error) -> String? { try value(key, "a string") { $0.string } }
    func bool(_ key: String) throws(T5Error) -> Bool? { try value(key, "true or false") { $0.bool } }
    func number(_ key: String) throws(T5Error) -> Double? { try value(key, "a number") { $0.double } }

    func extent(_ key: String) throws(T5Error) -> Int? {
        let limit = T5Configuration.maximumExtent
        return try value(key, "a whole number from 1 to \(limit)") { value in
            value.int.flatMap { (1...limit).contains($0) ? $0 : nil }
        }
    }

    func id(_ key: String, below limit: Int) throws(T5Error) -> Int32? {
        try value(key, "an id from 0 to \(limit - 1)") { value in
            value.int.flatMap { (0..<limit).contains($0) ? Int32($0) : nil }
        }
    }
}
