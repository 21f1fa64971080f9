import CKernels
import Tensors

/// The layers in float32 on OpenBLAS: the reference mode.
final class Float32Layers: T5Layers {
    typealias Weights = T5Weights<FloatTensor>

    let cacheElementSize = 4

    private let configuration: T5Configuration
    private let weights: Weights
    private let pool: WorkerPool
    private var encoderBias: RelativePositionBias
    private var decoderBias: RelativePositionBias
    private var normalized = Scratch()
    private var projected = Scratch()
    private var context = Scratch()
    private var gate = Scratch()
    private var up = Scratch()
    private var scores: [Scratch]

    /// Rows of the feed-forward layer computed together, which bounds its scratch memory.
    private static let feedForwardBlock = 1024

    init(_ weights: Weights, configuration: T5Configuration, pool: WorkerPool) {
        self.weights = weights
        self.configuration = configuration
        self.pool = pool
        encoderBias = RelativePositionBias(
            weights.encoderBias, configuration: configuration, bidirectional: true)
        decoderBias = RelativePositionBias(
            weights.decoderBias, configuration: configuration, bidirectional: false)
        scores = (0..<pool.threadCount).map { _ in Scratch() }
    }

    func encode(_ x: UnsafeMutablePointer<Float>, lengths: [Int]) {
        let total = lengths.last ?? 0
        for layer in weights.encoder {
            encoderSelfAttention(x, lengths, layer)
            feedForward(x, total, norm: layer.feedForwardNorm, layer.feedForward)
        }
        normalize(x, total, weights.encoderNorm, into: x)
    }

    func encoderOutputs(
        _ x: UnsafePointer<Float>, lengths: [Int], decoderRows: (Int) -> Int?
    ) -> [AlignedBuffer?] {
        // The reference computes keys and values as the model's definition says.
        lengths.dropFirst().map { _ in nil }
    }

    func crossKeysValues(_ x: UnsafePointer<Float>, rows: Int) -> [AlignedBuffer] {
        let inner = configuration.innerWidth
        return weights.decoder.map { layer in
            let keysValues = AlignedBuffer(rows * 2 * inner, of: Float.self)
            let keys: UnsafeMutablePointer<Float> = keysValues.elements()
            linear(x, rows, layer.crossAttention.k, into: keys, stride: 2 * inner)
            linear(x, rows, layer.crossAttention.v, into: keys + inner, stride: 2 * inner)
            return keysValues
        }
    }

    func decode(_ x: UnsafeMutablePointer<Float>, _ rows: [DecoderRow], longest: Int) {
        decoderBias.cover(longest)
        for (index, layer) in weights.decoder.enumerated() {
            decoderSelfAttention(x, rows, layer, index: index, longest: longest)
            crossAttention(x, rows, layer, index: index, longest: longest)
            feedForward(x, rows.count, norm: layer.feedForwardNorm, layer.feedForward)
        }
        normalize(x, rows.count, weights.decoderNorm, scale: weights.headScale, into: x)
    }

    func logits(_ hidden: UnsafePointer<Float>, rows: Int, into logits: UnsafeMutablePointer<Float>) {
        linear(hidden, rows, weights.head, into: logits)
    }

    func argmax(_ hidden: UnsafePointer<Float>, rows: Int) -> [Int32] {
        let d = configuration.modelWidth
        let vocabulary = configuration.vocabularySize
        let block = 64
        let logits: UnsafeMutablePointer<Float> = projected.reserve(min(rows, block) * vocabulary)
        var ids: [Int32] = []
        for start in stride(from: 0, to: rows, by: block) {
            let count = min(block, rows - start)
            linear(hidden + start * d, count, weights.head, into: logits)
            for row in 0..<count { ids.append(Int32(pp_f32_argmax(logits + row * vocabulary, vocabulary))) }
        }
        return ids
    }

    func logits(_ hidden: UnsafePointer<Float>, of ids: [Int32]) -> [Float] {
        let d = configuration.modelWidth
        return ids.map { pp_f32_dot(pool.kernels, hidden, weights.head.pointer + Int($0) * d, d) }
    }

    // MARK: Parts that both stacks use

    /// RMSNorm of `rows` rows of width `d_model`.
    private func normalize(
        _ x: UnsafePointer<Float>, _ rows: Int, _ gain: FloatTensor, scale: Float = 1,
        into out: UnsafeMutablePointer<Float>
    ) {
        let d = configuration.modelWidth
        let epsilon = configuration.layerNormEpsilon
        pool.ranges(of: rows, grain: 8) { range in
            pp_f32_rms_norm(
                pool.kernels, x + range.lowerBound * d, d, gain.pointer, epsilon, scale, range.count, d,
                out + range.lowerBound * d, d)
        }
    }

    /// `out = x Wᵀ` (`+ out` when `accumulate`) for rows of the matrix's input width.
    private func linear(
        _ x: UnsafePointer<Float>, _ rows: Int, _ W: FloatTensor, into out: UnsafeMutablePointer<Float>,
        stride: Int? = nil, accumulate: Bool = false
    ) {
        let outputs = W.shape[0]
        let inputs = W.shape[1]
        pool.multiply(
            rows: rows, columns: outputs, inner: inputs, x, stride: inputs, W.pointer, stride: inputs,
            into: out, stride: stride ?? outputs, accumulate: accumulate)
    }

    /// `x += FeedForward(RMSNorm(x))`, a block of rows at a time.
    private func feedForward(
        _ x: UnsafeMutablePointer<Float>, _ rows: Int, norm: FloatTensor, _ layer: Weights.FeedForward
    ) {
        let d = configuration.modelWidth
        let width = configuration.feedForwardWidth
        let block = min(rows, Self.feedForwardBlock)
        let normalized: UnsafeMutablePointer<Float> = normalized.reserve(block * d)
        let gate: UnsafeMutablePointer<Float> = gate.reserve(block * width)
        for start in stride(from: 0, to: rows, by: Self.feedForwardBlock) {
            let count = min(Self.feedForwardBlock, rows - start)
            normalize(x + start * d, count, norm, into: normalized)
            linear(normalized, count, layer.gate, into: gate)
            if let upWeights = layer.up {
                let up: UnsafeMutablePointer<Float> = up.reserve(block * width)
                linear(normalized, count, upWeights, into: up)
                pool.ranges(of: count) { range in
                    let offset = range.lowerBound * width
                    pp_f32_gate(
                        pool.kernels, gate + offset, up + offset, width, range.count, width, gate + offset,
                        width)
                }
            } else {
                pool.ranges(of: count) { range in
                    pp_f32_relu(pool.kernels, gate + range.lowerBound * width, range.count * width)
                }
            }
            linear(gate, count, layer.down, into: x + start * d, accumulate: true)
        }
    }

    // MARK: Encoder

    /// `x += SelfAttention(RMSNorm(x))` within each sequence.
    private func encoderSelfAttention(
        _ x: UnsafeMutablePointer<Float>, _ lengths: [Int], _ layer: Weights.EncoderLayer
    ) {
        let total = lengths.last ?? 0
        let inner = configuration.innerWidth
        let heads = configuration.heads
        let headWidth = configuration.headWidth
        let normalized: UnsafeMutablePointer<Float> = normalized.reserve(total * configuration.modelWidth)
        let qkv: UnsafeMutablePointer<Float> = projected.reserve(total * 3 * inner)
        let context: UnsafeMutablePointer<Float> = context.reserve(total * inner)
        normalize(x, total, layer.attentionNorm, into: normalized)
        linear(normalized, total, layer.attention.q, into: qkv, stride: 3 * inner)
        linear(normalized, total, layer.attention.k, into: qkv + inner, stride: 3 * inner)
        linear(normalized, total, layer.attention.v, into: qkv + 2 * inner, stride: 3 * inner)

        var longest = 0
        var tiles: [(start: Int, length: Int, first: Int)] = []
        for index in 0..<lengths.count - 1 {
            let length = lengths[index + 1] - lengths[index]
            longest = max(longest, length)
            for first in stride(from: 0, to: length, by: Float32Attention.blockRows) {
                tiles.append((lengths[index], length, first))
            }
        }
        encoderBias.cover(longest)
        let bias = encoderBias
        let parts = pool.threadCount
        let scratch = (0..<parts).map {
            scores[$0].reserve(Float32Attention.blockRows * longest, of: Float.self)
        }
        // A part is every parts-th tile and head, which balances long and short sequences.
        pool.parallel(parts) { part in
            for item in stride(from: part, to: tiles.count * heads, by: parts) {
                let (start, length, first) = tiles[item / heads]
                let head = item % heads
                let q = qkv + start * 3 * inner + head * headWidth
                Float32Attention.attend(
                    kernels: pool.kernels, q: q, k: q + inner, v: q + 2 * inner, stride: 3 * inner,
                    first: first,
                    rows: min(Float32Attention.blockRows, length - first), length: length,
                    headWidth: headWidth,
                    bias: bias.center(head: head), scores: scratch[part],
                    out: context + start * inner + head * headWidth, outStride: inner)
            }
        }
        linear(context, total, layer.attention.o, into: x, accumulate: true)
    }

    // MARK: Decoder

    private func decoderSelfAttention(
        _ x: UnsafeMutablePointer<Float>, _ rows: [DecoderRow], _ layer: Weights.DecoderLayer, index: Int,
        longest: Int
    ) {
        let inner = configuration.innerWidth
        let normalized: UnsafeMutablePointer<Float> = normalized.reserve(
            rows.count * configuration.modelWidth)
        let qkv: UnsafeMutablePointer<Float> = projected.reserve(rows.count * 3 * inner)
        normalize(x, rows.count, layer.selfAttentionNorm, into: normalized)
        linear(normalized, rows.count, layer.selfAttention.q, into: qkv, stride: 3 * inner)
        linear(normalized, rows.count, layer.selfAttention.k, into: qkv + inner, stride: 3 * inner)
        linear(normalized, rows.count, layer.selfAttention.v, into: qkv + 2 * inner, stride: 3 * inner)
        for (row, decoderRow) in rows.enumerated() {
            let cache: UnsafeMutablePointer<Float> =
                decoderRow.sequence.cache[index].elements() + decoderRow.slot * 2 * inner
            cache.update(from: qkv + row * 3 * inner + inner, count: 2 * inner)
        }
        let bias = decoderBias
        let context = attend(rows, longest: longest, queryStride: 3 * inner, qkv) { row, head in
            AttentionTarget(
                keysValues: UnsafePointer(row.sequence.cache[index].elements()), path: row.path,
                length: row.position + 1, bias: bias.center(head: head) - row.position)
        }
        linear(context, rows.count, layer.selfAttention.o, into: x, accumulate: true)
    }

    private func crossAttention(
        _ x: UnsafeMutablePointer<Float>, _ rows: [DecoderRow], _ layer: Weights.DecoderLayer, index: Int,
        longest: Int
    ) {
        let inner = configuration.innerWidth
        let normalized: UnsafeMutablePointer<Float> = normalized.reserve(
            rows.count * configuration.modelWidth)
        let q: UnsafeMutablePointer<Float> = projected.reserve(rows.count * inner)
        normalize(x, rows.count, layer.crossAttentionNorm, into: normalized)
        linear(normalized, rows.count, layer.crossAttention.q, into: q)
        let context = attend(rows, longest: longest, queryStride: inner, q) { row, _ in
            let start = row.firstKeyValue * 2 * inner
            return AttentionTarget(
                keysValues: UnsafePointer(row.sequence.encoded.crossKeysValues[index].elements() + start),
                path: nil,
                length: row.sequence.encoderRows.count, bias: nil)
        }
        linear(context, rows.count, layer.crossAttention.o, into: x, accumulate: true)
    }

    /// What a row attends to: keys and values `[…, 2 × inner]`, which of their rows, and a bias for each.
    private struct AttentionTarget {
        let keysValues: UnsafePointer<Float>
        let path: [Int32]?
        let length: Int
        let bias: UnsafePointer<Float>?
    }

    private func attend(
        _ rows: [DecoderRow], longest: Int, queryStride: Int, _ q: UnsafePointer<Float>,
        target: (DecoderRow, Int) -> AttentionTarget
    ) -> UnsafeMutablePointer<Float> {
        let inner = configuration.innerWidth
        let heads = configuration.heads
        let headWidth = configuration.headWidth
        let context: UnsafeMutablePointer<Float> = context.reserve(rows.count * inner)
        let parts = pool.threadCount
        let scratch = (0..<parts).map { scores[$0].reserve(longest, of: Float.self) }
        withoutActuallyEscaping(target) { target in
            pool.parallel(parts) { part in
                for item in stride(from: part, to: rows.count * heads, by: parts) {
                    let row = item / heads
                    let head = item % heads
                    let target = target(rows[row], head)
                    let keys = target.keysValues + head * headWidth
                    let query = q + row * queryStride + head * headWidth
                    let out = context + row * inner + head * headWidth
                    if let path = target.path {
                        pp_f32_attend(
                            pool.kernels, query, keys, 2 * inner, keys + inner, 2 * inner, path,
                            target.length, headWidth,
                            target.bias, scratch[part], out)
                    } else {
                        pp_f32_attend(
                            pool.kernels, query, keys, 2 * inner, keys + inner, 2 * inner, nil, target.length,
                            headWidth,
                            target.bias, scratch[part], out)
                    }
                }
            }
        }
        return context
    }
}
