/// T5's weights by their role (Raffel et al. 2020; names as in Hugging Face checkpoints).
///
/// Matrices that read the same rows are one: queries, keys and values; the gate and the other factor of a gated
/// feed-forward layer. `Matrix` is the form that a precision multiplies with, `Tensor` that of gains and biases.
package struct T5Weights<Matrix, Tensor> {
    package struct SelfAttention {
        package let norm: Tensor
        package let qkv, o: Matrix
    }

    package struct CrossAttention {
        package let norm: Tensor
        /// Of the decoder's rows.
        package let q: Matrix
        /// Keys and values of the encoder's output.
        package let kv: Matrix
        package let o: Matrix
    }

    package struct FeedForward {
        package let norm: Tensor
        package let wi, wo: Matrix
    }

    package struct EncoderLayer {
        package let attention: SelfAttention
        package let feedForward: FeedForward
    }

    package struct DecoderLayer {
        package let attention: SelfAttention
        package let crossAttention: CrossAttention
        package let feedForward: FeedForward
    }

    package let head: Matrix
    /// What the decoder's output is multiplied with before the head: `d_model^-0.5` for tied checkpoints.
    package let headScale: Float
    /// `[buckets, heads]`, of layer 0, shared by all layers.
    package let encoderBias, decoderBias: Tensor
    package let encoder: [EncoderLayer]
    package let encoderNorm: Tensor
    package let decoder: [DecoderLayer]
    package let decoderNorm: Tensor

    /// Where a matrix stands.
    package enum Role {
        case selfAttention, crossAttentionQueries, crossAttentionKeysValues, attentionOutput
        case feedForwardInput, feedForwardOutput, head
    }

    /// The same weights in another form.
    ///
    /// - Parameter matrix: Given a matrix, its role, and the gain of the RMSNorm whose output it reads, if any.
    package func map<NewMatrix, NewTensor>(
        matrix: (Matrix, Role, _ norm: Tensor?) -> NewMatrix, tensor: (Tensor) -> NewTensor
    ) -> T5Weights<NewMatrix, NewTensor> {
        typealias New = T5Weights<NewMatrix, NewTensor>
        func attention(_ layer: SelfAttention) -> New.SelfAttention {
            New.SelfAttention(
                norm: tensor(layer.norm), qkv: matrix(layer.qkv, .selfAttention, layer.norm),
                o: matrix(layer.o, .attentionOutput, nil))
        }
        func crossAttention(_ layer: CrossAttention) -> New.CrossAttention {
            New.CrossAttention(
                norm: tensor(layer.norm), q: matrix(layer.q, .crossAttentionQueries, layer.norm),
                kv: matrix(layer.kv, .crossAttentionKeysValues, nil),
                o: matrix(layer.o, .attentionOutput, nil))
        }
        func feedForward(_ layer: FeedForward) -> New.FeedForward {
            New.FeedForward(
                norm: tensor(layer.norm), wi: matrix(layer.wi, .feedForwardInput, layer.norm),
                wo: matrix(layer.wo, .feedForwardOutput, nil))
        }
        return New(
            head: matrix(head, .head, nil), headScale: headScale, encoderBias: tensor(encoderBias),
            decoderBias: tensor(decoderBias),
            encoder: encoder.map { layer in
                New.EncoderLayer(
                    attention: attention(layer.attention), feedForward: feedForward(layer.feedForward))
            },
            encoderNorm: tensor(encoderNorm),
            decoder: decoder.map { layer in
                New.DecoderLayer(
                    attention: attention(layer.attention),
                    crossAttention: crossAttention(layer.crossAttention),
                    feedForward: feedForward(layer.feedForward))
            },
            decoderNorm: tensor(decoderNorm))
    }
}

extension T5Weights: Sendable where Matrix: Sendable, Tensor: Sendable {}
extension T5Weights.SelfAttention: Sendable where Matrix: Sendable, Tensor: Sendable {}
extension T5Weights.CrossAttention: Sendable where Matrix: Sendable, Tensor: Sendable {}
extension T5Weights.FeedForward: Sendable where Matrix: Sendable, Tensor: Sendable {}
extension T5Weights.EncoderLayer: Sendable where Matrix: Sendable, Tensor: Sendable {}
extension T5Weights.DecoderLayer: Sendable where Matrix: Sendable, Tensor: Sendable {}

/// All tensors of a core, each by itself as checkpoints have them: a matrix is the list of those `[output, input]`
/// whose outputs stand side by side.
package struct CheckpointWeights<Tensor: Sendable>: Sendable {
    package typealias Layers = T5Weights<[Tensor], Tensor>

    package let embedding: Tensor
    /// Whether the LM head is the embedding.
    package let isTied: Bool
    package let layers: Layers

    /// The same tensors in another form.
    package func map<New>(_ transform: (Tensor) -> New) -> CheckpointWeights<New> {
        let embedding = transform(embedding)
        return CheckpointWeights<New>(
            embedding: embedding, isTied: isTied,
            layers: layers.map(
                matrix: { tensors, role, _ in
                    isTied && role == .head ? [embedding] : tensors.map(transform)
                }, tensor: transform))
    }
}
