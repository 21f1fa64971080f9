import T5
import Tensors

/// A float32 matrix of one or more checkpoint matrices whose outputs stand side by side, with their gradients where
/// they are trained.
struct Float32Matrix {
    struct Piece {
        /// `[outputs, inputs]`
        let values: FloatTensor
        /// Of the same shape; its owner keeps the memory.
        let gradient: UnsafeMutablePointer<Float>?
        /// Its first output among all.
        let first: Int

        var outputs: Int { values.shape[0] }
    }

    let pieces: [Piece]
    let inputs: Int

    init(_ tensors: [FloatTensor], gradient: (FloatTensor) -> UnsafeMutablePointer<Float>?) {
        var first = 0
        inputs = tensors[0].shape[1]
        pieces = tensors.map { tensor in
            defer { first += tensor.shape[0] }
            return Piece(values: tensor, gradient: gradient(tensor), first: first)
        }
    }
}

extension CoreMatrices<Float32Matrix> {
    /// A core's float32 weights as they are.
    ///
    /// - Parameter gradient: The memory of a tensor's gradient, `nil` where it is not trained.
    init(_ weights: T5Weights<FloatTensor>, gradient: (FloatTensor) -> UnsafeMutablePointer<Float>?) {
        func matrix(_ tensors: FloatTensor...) -> Float32Matrix { Float32Matrix(tensors, gradient: gradient) }
        func norm(_ tensor: FloatTensor) -> NormGain { NormGain(tensor, gradient: gradient(tensor)) }
        func attention(_ layer: T5Weights<FloatTensor>.Attention, _ gain: FloatTensor) -> SelfAttention {
            SelfAttention(norm: norm(gain), qkv: matrix(layer.q, layer.k, layer.v), o: matrix(layer.o))
        }
        func feedForward(_ layer: T5Weights<FloatTensor>.FeedForward, _ gain: FloatTensor) -> FeedForward {
            FeedForward(
                norm: norm(gain), wi: layer.up.map { matrix(layer.gate, $0) } ?? matrix(layer.gate),
                wo: matrix(layer.down))
        }
        encoder = weights.encoder.map { layer in
            EncoderLayer(
                attention: attention(layer.attention, layer.attentionNorm),
                feedForward: feedForward(layer.feedForward, layer.feedForwardNorm))
        }
        decoder = weights.decoder.map { layer in
            let cross = layer.crossAttention
            return DecoderLayer(
                attention: attention(layer.selfAttention, layer.selfAttentionNorm),
                crossAttention: CrossAttention(
                    norm: norm(layer.crossAttentionNorm), q: matrix(cross.q),
                    keysValues: matrix(cross.k, cross.v),
                    o: matrix(cross.o)),
                feedForward: feedForward(layer.feedForward, layer.feedForwardNorm))
        }
        encoderNorm = norm(weights.encoderNorm)
        decoderNorm = norm(weights.decoderNorm)
        head = matrix(weights.head)
        headScale = weights.headScale
    }
}
