import CKernels
import Tensors

/// A sequence that is being decoded: where its encoder rows are, and the keys and values of what the decoder
/// has read so far.
public final class DecoderSequence {
    let encoded: EncodedBatch
    let encoderRows: Range<Int>
    /// Keys and values `[capacity, 2 × inner]` a decoder layer, keys first.
    fileprivate var cache: [FloatBuffer]
    fileprivate var capacity = 0
    /// Positions read so far.
    public fileprivate(set) var length = 0

    /// A sequence at position 0 over one sequence of an encoded batch.
    public init(_ encoded: EncodedBatch, sequence: Int) {
        self.encoded = encoded
        encoderRows = encoded.range(of: sequence)
        cache = []
    }

    fileprivate func reserve(_ length: Int, layers: Int, inner: Int) {
        guard length > capacity else { return }
        let grown = max(length, 2 * capacity, 8)
        cache = (0..<layers).map { layer in
            let buffer = FloatBuffer(count: grown * 2 * inner)
            if layer < cache.count {
                buffer.pointer.update(from: cache[layer].pointer, count: self.length * 2 * inner)
            }
            return buffer
        }
        capacity = grown
    }
}

/// What one sequence feeds the decoder in a pass: a chain of tokens, or a tree of them.
public struct DecoderInput {
    /// The sequence that reads the tokens.
    public let sequence: DecoderSequence
    /// Token ids, parents before children.
    public let tokens: [Int32]
    /// For each token the index of the one before it among `tokens`, or -1 when it follows what the sequence
    /// has read already. `nil` for a chain.
    public let parents: [Int]?

    /// A chain of tokens, or a tree when `parents` are given.
    public init(sequence: DecoderSequence, tokens: [Int32], parents: [Int]? = nil) {
        self.sequence = sequence
        self.tokens = tokens
        self.parents = parents
    }
}

extension T5Session {
    /// One decoder pass over the new tokens of any number of sequences, stacked without padding.
    ///
    /// Every sequence's caches grow by its tokens; after a tree the sequence cannot be continued.
    ///
    /// - Returns: `[tokens, d_model]`: the decoder's output, ready for the LM head (final norm and, for tied
    ///   checkpoints, scale applied).
    func decode(_ inputs: [DecoderInput]) -> FloatBuffer {
        let d = configuration.modelWidth
        let inner = configuration.innerWidth
        let total = inputs.reduce(0) { $0 + $1.tokens.count }
        let x = FloatBuffer(count: total * d)
        var rows: [DecoderRow] = []
        rows.reserveCapacity(total)
        var longest = 0
        for input in inputs {
            let sequence = input.sequence
            let base = sequence.length
            sequence.reserve(base + input.tokens.count, layers: weights.decoder.count, inner: inner)
            let first = rows.count
            for (index, token) in input.tokens.enumerated() {
                embed(token, into: x.pointer + rows.count * d)
                let slot = base + index
                if let parents = input.parents {
                    let parent = parents[index]
                    var path = parent < 0 ? (0..<Int32(base)).map { $0 } : rows[first + parent].path ?? []
                    path.append(Int32(slot))
                    rows.append(
                        DecoderRow(sequence: sequence, slot: slot, position: path.count - 1, path: path))
                } else {
                    rows.append(DecoderRow(sequence: sequence, slot: slot, position: slot, path: nil))
                }
                longest = max(longest, rows[rows.count - 1].position + 1, sequence.encoderRows.count)
            }
            sequence.length = base + input.tokens.count
        }
        decoderBias.cover(longest)
        for (index, layer) in weights.decoder.enumerated() {
            selfAttention(x.pointer, rows, layer, index: index, longest: longest)
            crossAttention(x.pointer, rows, layer, index: index, longest: longest)
            feedForward(x.pointer, total, norm: layer.feedForwardNorm, layer.feedForward)
        }
        normalize(x.pointer, total, weights.decoderNorm, scale: weights.headScale, into: x.pointer)
        return x
    }

    /// A token of a pass.
    private struct DecoderRow {
        let sequence: DecoderSequence
        /// Where its keys and values go in the sequence's caches.
        let slot: Int
        let position: Int
        /// The cache slots it attends to in order of position; `nil` for `0 ... slot`.
        let path: [Int32]?
    }

    private func selfAttention(
        _ x: UnsafeMutablePointer<Float>, _ rows: [DecoderRow], _ layer: T5Weights.DecoderLayer, index: Int,
        longest: Int
    ) {
        let inner = configuration.innerWidth
        let normalized = normalized.reserve(rows.count * configuration.modelWidth)
        let qkv = projected.reserve(rows.count * 3 * inner)
        normalize(x, rows.count, layer.selfAttentionNorm, into: normalized)
        linear(normalized, rows.count, layer.selfAttention.q, into: qkv, stride: 3 * inner)
        linear(normalized, rows.count, layer.selfAttention.k, into: qkv + inner, stride: 3 * inner)
        linear(normalized, rows.count, layer.selfAttention.v, into: qkv + 2 * inner, stride: 3 * inner)
        for (row, decoderRow) in rows.enumerated() {
            let cache = decoderRow.sequence.cache[index].pointer + decoderRow.slot * 2 * inner
            cache.update(from: qkv + row * 3 * inner + inner, count: 2 * inner)
        }
        let bias = decoderBias
        let context = attend(rows, longest: longest, queryStride: 3 * inner, qkv) { row, head in
            AttentionTarget(
                keysValues: UnsafePointer(row.sequence.cache[index].pointer), path: row.path,
                length: row.position + 1, bias: bias.center(head: head) - row.position)
        }
        linear(context, rows.count, layer.selfAttention.o, into: x, accumulate: true)
    }

    private func crossAttention(
        _ x: UnsafeMutablePointer<Float>, _ rows: [DecoderRow], _ layer: T5Weights.DecoderLayer, index: Int,
        longest: Int
    ) {
        let inner = configuration.innerWidth
        let normalized = normalized.reserve(rows.count * configuration.modelWidth)
        let q = projected.reserve(rows.count * inner)
        normalize(x, rows.count, layer.crossAttentionNorm, into: normalized)
        linear(normalized, rows.count, layer.crossAttention.q, into: q)
        let context = attend(rows, longest: longest, queryStride: inner, q) { row, _ in
            let start = row.sequence.encoderRows.lowerBound * 2 * inner
            return AttentionTarget(
                keysValues: UnsafePointer(row.sequence.encoded.crossKeysValues[index].pointer + start),
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
        let context = context.reserve(rows.count * inner)
        let parts = pool.threadCount
        let scratch = (0..<parts).map { scores[$0].reserve(longest) }
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
                            query, keys, 2 * inner, keys + inner, 2 * inner, path, target.length, headWidth,
                            target.bias, scratch[part], out)
                    } else {
                        pp_f32_attend(
                            query, keys, 2 * inner, keys + inner, 2 * inner, nil, target.length, headWidth,
                            target.bias, scratch[part], out)
                    }
                }
            }
        }
        return context
    }

    /// Calls `body` with the logits `[vocab_size]` of each of some decoder output rows, a few rows in memory
    /// at a time.
    func logits(_ hidden: FloatBuffer, rows: [Int], _ body: (Int, UnsafePointer<Float>) -> Void) {
        let d = configuration.modelWidth
        let vocabulary = configuration.vocabularySize
        let block = 64
        let gathered = gate.reserve(min(rows.count, block) * d)
        let logits = projected.reserve(min(rows.count, block) * vocabulary)
        for start in stride(from: 0, to: rows.count, by: block) {
            let part = rows[start..<min(start + block, rows.count)]
            for (index, row) in part.enumerated() {
                (gathered + index * d).update(from: hidden.pointer + row * d, count: d)
            }
            linear(gathered, part.count, weights.head, into: logits)
            for index in 0..<part.count { body(start + index, logits + index * vocabulary) }
        }
    }
}
