import Basics
import CKernels
import Tensors

extension T5Session {
    /// Encodes sequences of any lengths in one ragged batch, and prepares what the decoder's cross-attention
    /// reads of each.
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
            try configuration.check(input.ids)
            try checkFinite(input.rows)
            lengths.append((lengths.last ?? 0) + input.rows.count / d + input.ids.count)
        }
        let total = lengths.last ?? 0
        let x = AlignedBuffer(total * d, of: Float.self)
        for (index, input) in inputs.enumerated() {
            var row = x.floats + lengths[index] * d
            input.rows.withUnsafeBufferPointer { rows in
                if let start = rows.baseAddress { row.update(from: start, count: rows.count) }
            }
            row += input.rows.count
            for id in input.ids {
                embed(id, into: row)
                row += d
            }
        }
        layers.encode(x.floats, lengths: lengths)
        let (memories, keysValues) = layers.crossAttentionMemory(
            x.floats, lengths: lengths, decoderRows: inputs.map(\.decoderRows))
        return EncodedBatch(
            cumulativeSequenceLengths: lengths, rows: x, crossKeysValues: keysValues, crossMemories: memories,
            width: d)
    }

    /// Checks rows' values: one that is not finite would make the whole sequence's numbers meaningless.
    private func checkFinite(_ rows: [Float]) throws(T5Error) {
        let index = rows.withUnsafeBufferPointer { rows in
            rows.baseAddress.map { pp_first_not_finite_32($0, rows.count) } ?? 0
        }
        guard index < rows.count else { return }
        let (row, column) = index.quotientAndRemainder(dividingBy: configuration.modelWidth)
        throw T5Error(
            .input,
            "the prompt's value at row \(row), column \(column) is \(rows[index]); "
                + "a number within float32's range was expected")
    }
}
