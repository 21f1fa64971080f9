import Basics
import Foundation
import JSON

/// The fields of a T5 `config.json` that change the result, with the defaults that `transformers` 4.57 gives to
/// absent keys (`T5Config`, `MT5Config`).
public struct T5Configuration: Sendable, Equatable {
    /// What the feed-forward layer does between its matrices.
    public enum FeedForward: String, Sendable, CaseIterable {
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

    /// Checks that every id is one of the core's.
    ///
    /// - Throws: `T5Error` naming the first that is not.
    public func check(_ ids: [Int32]) throws(T5Error) {
        for id in ids where id < 0 || id >= vocabularySize {
            throw T5Error(.input, "id \(id) is out of range; this core has ids 0 to \(vocabularySize - 1)")
        }
    }

    /// Largest extent accepted for any field, so that no product of two overflows or exhausts memory unseen.
    static let maximumExtent = 1 << 24

    /// Reads `config.json`.
    public init(path: String) throws(T5Error) {
        let bytes: [UInt8]
        do { bytes = try readRegularFile(path, limit: FileLimit.settings) } catch {
            throw T5Error(
                .unreadable, "\(error)\(error.isMissing ? ": a core directory has a config.json" : "")",
                cause: error)
        }
        // null counts as absent, as it does in transformers.
        let reader = try ObjectReader(parsing: bytes, at: path, nullIsAbsent: true) { message in
            T5Error(.configuration, message)
        }
        func extent(_ key: String, _ absent: Int) throws(T5Error) -> Int {
            try reader[key]?.integer(in: 1...Self.maximumExtent) ?? absent
        }
        if try reader["model_type"]?.choice() == ModelType.mt5 {
            vocabularySize = 250_112
            feedForwardWidth = 1024
            encoderLayers = 8
            heads = 6
            feedForward = .gatedGELU
            tieWordEmbeddings = false
        }
        vocabularySize = try extent("vocab_size", vocabularySize)
        modelWidth = try extent("d_model", modelWidth)
        headWidth = try extent("d_kv", headWidth)
        feedForwardWidth = try extent("d_ff", feedForwardWidth)
        encoderLayers = try extent("num_layers", encoderLayers)
        decoderLayers = try extent("num_decoder_layers", encoderLayers)
        heads = try extent("num_heads", heads)
        relativeBuckets = try extent("relative_attention_num_buckets", relativeBuckets)
        relativeMaximumDistance = try extent("relative_attention_max_distance", relativeMaximumDistance)
        guard relativeBuckets >= 4, relativeBuckets % 2 == 0, relativeMaximumDistance > relativeBuckets / 2
        else {
            throw reader.refusal(
                JSONValue.mismatch(
                    "relative_attention_num_buckets",
                    found: "\(relativeBuckets) and \(relativeMaximumDistance)",
                    expected:
                        "an even number of at least 4, with relative_attention_max_distance above its half,"))
        }
        if let epsilon = try reader["layer_norm_epsilon"]?.number(in: 0..<1) {
            layerNormEpsilon = Float(epsilon)
        }
        feedForward = try reader["feed_forward_proj"]?.choice() ?? feedForward
        tieWordEmbeddings = try reader["tie_word_embeddings"]?.boolean() ?? tieWordEmbeddings
        scaleDecoderOutputs = try reader["scale_decoder_outputs"]?.boolean()
        let ids = 0...Int32(vocabularySize - 1)
        let pad = try reader["pad_token_id"]?.integer(in: ids) ?? 0
        decoderStartID = try reader["decoder_start_token_id"]?.integer(in: ids) ?? pad
        endOfSequenceID = try reader["eos_token_id"]?.integer(in: ids) ?? endOfSequenceID
        guard heads * headWidth <= Self.maximumExtent else {
            throw reader.refusal(
                JSONValue.mismatch(
                    "num_heads", found: "num_heads × d_kv of \(heads * headWidth)",
                    expected: "at most \(Self.maximumExtent)"))
        }
    }

    private enum ModelType: String, CaseIterable { case t5, mt5 }

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
