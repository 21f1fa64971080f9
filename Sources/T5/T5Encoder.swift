import Tensors

extension T5Session {
    /// Encodes sequences of any lengths in one ragged batch, and projects the decoder's cross-attention keys
    /// and values for all of them.
    ///
    /// - Throws: `T5Error` when a sequence is empty, its rows are not of the core's width or not finite, or an id
    ///   is out of range.
    public func encode(_ inputs: [T5Input]) throws(T5Error) -> EncodedBatch {
        let d = configuration.modelWidth
        var lengths = [0]
        for input in inputs {
            guard input.rows.count % d == 0 else {
                throw T5Error(
                    .input, "\(input.rows.count) prompt values are not rows of the core's width \(d)")
            }
            guard !input.rows.isEmpty || !input.ids.isEmpty else {
                throw T5Error(.input, "a sequence must have at least one row")
            }
            try check(input.ids)
            lengths.append((lengths.last ?? 0) + input.rows.count / d + input.ids.count)
        }
        let total = lengths.last ?? 0
        let x = FloatBuffer(count: total * d)
        for (index, input) in inputs.enumerated() {
            var row = x.pointer + lengths[index] * d
            input.rows.withUnsafeBufferPointer { rows in
                if let start = rows.baseAddress { row.update(from: start, count: rows.count) }
            }
            row += input.rows.count
            for id in input.ids {
                embed(id, into: row)
                row += d
            }
        }
        for layer in weights.encoder {
            selfAttention(x.pointer, lengths, layer)
            feedForward(x.pointer, total, norm: layer.feedForwardNorm, layer.feedForward)
        }
        normalize(x.pointer, total, weights.encoderNorm, into: x.pointer)
        let inner = configuration.innerWidth
        let crossKeysValues = weights.decoder.map { layer in
            let keysValues = FloatBuffer(count: total * 2 * inner)
            linear(x.pointer, total, layer.crossAttention.k, into: keysValues.pointer, stride: 2 * inner)
            linear(
                x.pointer, total, layer.crossAttention.v, into: keysValues.pointer + inner, stride: 2 * inner)
            return keysValues
        }
        return EncodedBatch(
            cumulativeSequenceLengths: lengths, rows: x, crossKeysValues: crossKeysValues, width: d)
    }

    /// `x += SelfAttention(RMSNorm(x))` within each sequence.
    private func selfAttention(
        _ x: UnsafeMutablePointer<Float>, _ lengths: [Int], _ layer: T5Weights.EncoderLayer
    ) {
        let total = lengths.last ?? 0
        let inner = configuration.innerWidth
        let heads = configuration.heads
        let headWidth = configuration.headWidth
        let normalized = normalized.reserve(total * configuration.modelWidth)
        let qkv = projected.reserve(total * 3 * inner)
        let context = context.reserve(total * inner)
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
        let scratch = (0..<parts).map { scores[$0].reserve(Float32Attention.blockRows * longest) }
        // A part is every parts-th tile and head, which balances long and short sequences.
        pool.parallel(parts) { part in
            for item in stride(from: part, to: tiles.count * heads, by: parts) {
                let (start, length, first) = tiles[item / heads]
                let head = item % heads
                let q = qkv + start * 3 * inner + head * headWidth
                Float32Attention.attend(
                    q: q, k: q + inner, v: q + 2 * inner, stride: 3 * inner, first: first,
                    rows: min(Float32Attention.blockRows, length - first), length: length,
                    headWidth: headWidth,
                    bias: bias.center(head: head), scores: scratch[part],
                    out: context + start * inner + head * headWidth, outStride: inner)
            }
        }
        linear(context, total, layer.attention.o, into: x, accumulate: true)
    }
}
