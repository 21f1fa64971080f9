import Foundation
import Tensors

/// The weights of a core by their role, each in the form that `Tensor` gives. Matrices are `[output, input]`, as
/// checkpoints have them.
package struct T5Weights<Tensor: Sendable>: Sendable {
    package struct Attention: Sendable {
        package let q, k, v, o: Tensor
    }

    package struct FeedForward: Sendable {
        /// `wi`, or `wi_0` (the gate) when `up` is there.
        package let gate: Tensor
        package let up: Tensor?
        package let down: Tensor
    }

    package struct EncoderLayer: Sendable {
        package let attentionNorm: Tensor
        package let attention: Attention
        package let feedForwardNorm: Tensor
        package let feedForward: FeedForward
    }

    package struct DecoderLayer: Sendable {
        package let selfAttentionNorm: Tensor
        package let selfAttention: Attention
        package let crossAttentionNorm: Tensor
        package let crossAttention: Attention
        package let feedForwardNorm: Tensor
        package let feedForward: FeedForward
    }

    package let embedding: Tensor
    /// The LM head; the embedding when they are tied.
    package let head: Tensor
    package let isTied: Bool
    /// What the decoder's output is multiplied with before the head: `d_model^-0.5` for tied checkpoints.
    package let headScale: Float
    /// `[buckets, heads]`, of layer 0, shared by all layers.
    package let encoderBias: Tensor
    package let decoderBias: Tensor
    package let encoder: [EncoderLayer]
    package let encoderNorm: Tensor
    package let decoder: [DecoderLayer]
    package let decoderNorm: Tensor

    /// The same weights in another form.
    package func map<New>(_ transform: (Tensor) -> New) -> T5Weights<New> {
        func attention(_ layer: Attention) -> T5Weights<New>.Attention {
            .init(q: transform(layer.q), k: transform(layer.k), v: transform(layer.v), o: transform(layer.o))
        }
        func feedForward(_ layer: FeedForward) -> T5Weights<New>.FeedForward {
            .init(gate: transform(layer.gate), up: layer.up.map(transform), down: transform(layer.down))
        }
        let embedding = transform(embedding)
        return T5Weights<New>(
            embedding: embedding, head: isTied ? embedding : transform(head), isTied: isTied,
            headScale: headScale, encoderBias: transform(encoderBias), decoderBias: transform(decoderBias),
            encoder: encoder.map { layer in
                .init(
                    attentionNorm: transform(layer.attentionNorm), attention: attention(layer.attention),
                    feedForwardNorm: transform(layer.feedForwardNorm),
                    feedForward: feedForward(layer.feedForward))
            },
            encoderNorm: transform(encoderNorm),
            decoder: decoder.map { layer in
                .init(
                    selfAttentionNorm: transform(layer.selfAttentionNorm),
                    selfAttention: attention(layer.selfAttention),
                    crossAttentionNorm: transform(layer.crossAttentionNorm),
                    crossAttention: attention(layer.crossAttention),
                    feedForwardNorm: transform(layer.feedForwardNorm),
                    feedForward: feedForward(layer.feedForward))
            },
            decoderNorm: transform(decoderNorm))
    }
}

/// Gives the tensors of a core by checkpoint name and shape: from files, or made up.
protocol T5TensorSource {
    mutating func tensor(_ name: String, _ shape: [Int]) throws(T5Error) -> StoredTensor
    /// The LM head when the core is untied.
    mutating func untiedHead(_ shape: [Int], embedding: StoredTensor) throws(T5Error) -> StoredTensor?
    /// The embedding table.
    mutating func embedding(_ shape: [Int]) throws(T5Error) -> StoredTensor
}

extension T5Weights<StoredTensor> {
    /// Collects all tensors of a configuration from a source.
    init(_ c: T5Configuration, from source: inout some T5TensorSource) throws(T5Error) {
        let d = c.modelWidth
        let inner = c.innerWidth
        embedding = try source.embedding([c.vocabularySize, d])
        let untied = try source.untiedHead([c.vocabularySize, d], embedding: embedding)
        head = untied ?? embedding
        isTied = untied == nil
        headScale = c.scaleDecoderOutputs ?? isTied ? 1 / Float(d).squareRoot() : 1

        func attention(_ prefix: String, _ source: inout some T5TensorSource) throws(T5Error) -> Attention {
            Attention(
                q: try source.tensor("\(prefix).q.weight", [inner, d]),
                k: try source.tensor("\(prefix).k.weight", [inner, d]),
                v: try source.tensor("\(prefix).v.weight", [inner, d]),
                o: try source.tensor("\(prefix).o.weight", [d, inner]))
        }
        func feedForward(_ prefix: String, _ source: inout some T5TensorSource) throws(T5Error) -> FeedForward
        {
            let gated = c.feedForward == .gatedGELU
            let prefix = "\(prefix).DenseReluDense"
            return FeedForward(
                gate: try source.tensor("\(prefix).wi\(gated ? "_0" : "").weight", [c.feedForwardWidth, d]),
                up: gated ? try source.tensor("\(prefix).wi_1.weight", [c.feedForwardWidth, d]) : nil,
                down: try source.tensor("\(prefix).wo.weight", [d, c.feedForwardWidth]))
        }
        let bias = "layer.0.SelfAttention.relative_attention_bias.weight"
        encoderBias = try source.tensor("encoder.block.0.\(bias)", [c.relativeBuckets, c.heads])
        decoderBias = try source.tensor("decoder.block.0.\(bias)", [c.relativeBuckets, c.heads])
        var encoder: [EncoderLayer] = []
        for index in 0..<c.encoderLayers {
            let block = "encoder.block.\(index).layer"
            encoder.append(
                EncoderLayer(
                    attentionNorm: try source.tensor("\(block).0.layer_norm.weight", [d]),
                    attention: try attention("\(block).0.SelfAttention", &source),
                    feedForwardNorm: try source.tensor("\(block).1.layer_norm.weight", [d]),
                    feedForward: try feedForward("\(block).1", &source)))
        }
        var decoder: [DecoderLayer] = []
        for index in 0..<c.decoderLayers {
            let block = "decoder.block.\(index).layer"
            decoder.append(
                DecoderLayer(
                    selfAttentionNorm: try source.tensor("\(block).0.layer_norm.weight", [d]),
                    selfAttention: try attention("\(block).0.SelfAttention", &source),
                    crossAttentionNorm: try source.tensor("\(block).1.layer_norm.weight", [d]),
                    crossAttention: try attention("\(block).1.EncDecAttention", &source),
                    feedForwardNorm: try source.tensor("\(block).2.layer_norm.weight", [d]),
                    feedForward: try feedForward("\(block).2", &source)))
        }
        self.encoder = encoder
        self.decoder = decoder
        encoderNorm = try source.tensor("encoder.final_layer_norm.weight", [d])
        decoderNorm = try source.tensor("decoder.final_layer_norm.weight", [d])
    }
}

/// Tensors from a core directory.
struct T5CheckpointSource: T5TensorSource {
    let checkpoint: T5Checkpoint
    let configuration: T5Configuration
    var fingerprint = CoreFingerprint()
    private var isUntied = false

    init(directory: String, configuration: T5Configuration) throws(T5Error) {
        self.configuration = configuration
        checkpoint = try T5Checkpoint(directory: directory)
        try Self.refuseSurplusLayers(checkpoint, configuration)
    }

    /// A checkpoint with more layers than the configuration states would load and give wrong answers.
    private static func refuseSurplusLayers(_ checkpoint: T5Checkpoint, _ c: T5Configuration) throws(T5Error)
    {
        for name in checkpoint.names {
            let parts = name.split(separator: ".", maxSplits: 3)
            guard parts.count > 2, parts[1] == "block", let index = Int(parts[2]) else { continue }
            let layers =
                parts[0] == "encoder" ? c.encoderLayers : parts[0] == "decoder" ? c.decoderLayers : Int.max
            if index >= layers {
                throw T5Error(
                    .weights,
                    "\(checkpoint.directory) holds \(name), but its config.json states \(layers) "
                        + "\(parts[0]) layers")
            }
        }
    }

    mutating func tensor(_ name: String, _ shape: [Int]) throws(T5Error) -> StoredTensor {
        use(try checkpoint.require(name, shape: shape))
    }

    mutating func embedding(_ shape: [Int]) throws(T5Error) -> StoredTensor {
        var names = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]
        if configuration.tieWordEmbeddings { names.append("lm_head.weight") }
        guard let tensor = try checkpoint.find(names, shape: shape) else {
            throw T5Error(
                .weights,
                "\(checkpoint.directory) lacks the tensor shared.weight \(shape), which its config.json calls for"
            )
        }
        return use(tensor)
    }

    /// Untied are the cores whose configuration says so, and those that transformers 5 wrote (it states
    /// `tie_word_embeddings: true` for every T5 and adds `scale_decoder_outputs`) with a head of their own.
    mutating func untiedHead(_ shape: [Int], embedding: StoredTensor) throws(T5Error) -> StoredTensor? {
        if configuration.tieWordEmbeddings {
            guard configuration.scaleDecoderOutputs != nil,
                let stored = try checkpoint.find(["lm_head.weight"], shape: shape)
            else { return nil }
            let isEqual =
                stored.elementType == embedding.elementType && stored.bytes.elementsEqual(embedding.bytes)
            guard !isEqual else { return nil }
            return use(stored)
        }
        return use(try checkpoint.require("lm_head.weight", shape: shape))
    }

    private mutating func use(_ tensor: StoredTensor) -> StoredTensor {
        fingerprint.include(tensor)
        return tensor
    }
}
