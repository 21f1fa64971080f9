import Tensors

/// One sequence of a batch: rows given as vectors (a soft prompt), then token ids.
public struct T5Input: Sendable {
    /// `[rows, d_model]`, flattened; may be empty.
    public var rows: [Float]
    /// Token ids, looked up in the embedding.
    public var ids: [Int32]

    /// A sequence of rows, then ids.
    public init(rows: [Float], ids: [Int32]) {
        self.rows = rows
        self.ids = ids
    }
}

/// Sequences stacked without padding, and where each begins.
public final class EncodedBatch: Sendable {
    /// `[0, length of the first, … , all rows]`.
    public let cumulativeSequenceLengths: [Int]
    /// `[rows, d_model]`: the encoder's output, final norm applied.
    let rows: FloatBuffer
    /// A decoder layer's cross-attention keys and values `[rows, 2 × inner]`, keys first, one matrix a layer.
    let crossKeysValues: [AlignedBuffer]
    let width: Int

    init(cumulativeSequenceLengths: [Int], rows: FloatBuffer, crossKeysValues: [AlignedBuffer], width: Int) {
        self.cumulativeSequenceLengths = cumulativeSequenceLengths
        self.rows = rows
        self.crossKeysValues = crossKeysValues
        self.width = width
    }

    /// Number of sequences.
    public var count: Int { cumulativeSequenceLengths.count - 1 }

    /// The rows of a sequence within the batch.
    public func range(of sequence: Int) -> Range<Int> {
        cumulativeSequenceLengths[sequence]..<cumulativeSequenceLengths[sequence + 1]
    }

    /// A copy of a sequence's encoder rows, `[length, d_model]` flattened.
    public func rows(of sequence: Int) -> [Float] {
        let range = range(of: sequence)
        return Array(
            UnsafeBufferPointer(start: rows.pointer + range.lowerBound * width, count: range.count * width))
    }

    /// Rows of all sequences.
    public var rowCount: Int { cumulativeSequenceLengths.last ?? 0 }

    /// A batch of only some stretches of rows, which become its sequences.
    ///
    /// - Parameter rowSize: Bytes of a row of the keys and values.
    func keeping(_ stretches: [Range<Int>], rowSize: Int) -> EncodedBatch {
        var lengths = [0]
        for stretch in stretches { lengths.append((lengths.last ?? 0) + stretch.count) }
        let total = lengths.last ?? 0
        let rows = FloatBuffer(count: total * width)
        let keysValues = crossKeysValues.map { _ in AlignedBuffer(total * rowSize, of: UInt8.self) }
        for (start, stretch) in zip(lengths, stretches) {
            (rows.pointer + start * width).update(
                from: self.rows.pointer + stretch.lowerBound * width, count: stretch.count * width)
            for (copy, source) in zip(keysValues, crossKeysValues) {
                (copy.pointer + start * rowSize).copyMemory(
                    from: source.pointer + stretch.lowerBound * rowSize, byteCount: stretch.count * rowSize)
            }
        }
        return EncodedBatch(
            cumulativeSequenceLengths: lengths, rows: rows, crossKeysValues: keysValues, width: width)
    }
}
