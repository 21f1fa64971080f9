import Basics
import CKernels
import Tensors

/// One sequence of a batch: rows given as vectors (a soft prompt), then token ids.
public struct T5Input: Sendable {
    /// `[rows, d_model]`, flattened; may be empty.
    public var rows: [Float]
    /// Token ids, looked up in the embedding.
    public var ids: [Int32]
    /// The most decoder rows that will attend to the sequence, when that is known: for few of them its
    /// cross-attention keys and values need not be computed. More may come; that is only slower.
    public var decoderRows: Int?

    /// A sequence of rows, then ids.
    public init(rows: [Float], ids: [Int32], decoderRows: Int? = nil) {
        self.rows = rows
        self.ids = ids
        self.decoderRows = decoderRows
    }
}

/// What the decoder's cross-attention to a sequence reads.
enum CrossAttentionMemory: Sendable {
    /// Rows of the batch's keys and values from this one on.
    case keysValues(first: Int)
    /// The encoder's output itself, as `pp_attention_pack` leaves it: the same for all layers and heads.
    case encoderOutput(AlignedBuffer)
}

/// Sequences stacked without padding, and where each begins.
public final class EncodedBatch: Sendable {
    /// `[0, length of the first, … , all rows]`.
    public let cumulativeSequenceLengths: [Int]
    /// `[rows, d_model]`: the encoder's output, final norm applied.
    let rows: AlignedBuffer
    /// A decoder layer's cross-attention keys and values `[rows, 2 × inner]`, keys first, one matrix a layer; of
    /// the sequences that have them.
    let crossKeysValues: [AlignedBuffer]
    /// Of each sequence.
    let crossMemories: [CrossAttentionMemory]
    let width: Int

    init(
        cumulativeSequenceLengths: [Int], rows: AlignedBuffer, crossKeysValues: [AlignedBuffer],
        crossMemories: [CrossAttentionMemory], width: Int
    ) {
        self.cumulativeSequenceLengths = cumulativeSequenceLengths
        self.rows = rows
        self.crossKeysValues = crossKeysValues
        self.crossMemories = crossMemories
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
            UnsafeBufferPointer(start: rows.floats + range.lowerBound * width, count: range.count * width))
    }

    /// Whether all numbers of a sequence's encoder rows are finite: attention spreads one that is not over the sequence,
    /// and over no other.
    public func isFinite(_ sequence: Int) -> Bool {
        let range = range(of: sequence)
        let count = range.count * width
        return pp_first_not_finite_32(rows.floats + range.lowerBound * width, count) == count
    }

    /// Rows of all sequences.
    public var rowCount: Int { cumulativeSequenceLengths.last ?? 0 }

    /// A batch of only some sequences.
    ///
    /// - Parameter rowSize: Bytes of a row of the keys and values.
    func keeping(_ sequences: [Int], rowSize: Int) -> EncodedBatch {
        var lengths = [0]
        var memories: [CrossAttentionMemory] = []
        var copies: [(from: Int, to: Int, count: Int)] = []
        var copied = 0
        for sequence in sequences {
            let count = range(of: sequence).count
            lengths.append((lengths.last ?? 0) + count)
            switch crossMemories[sequence] {
            case .encoderOutput: memories.append(crossMemories[sequence])
            case .keysValues(let first):
                memories.append(.keysValues(first: copied))
                copies.append((first, copied, count))
                copied += count
            }
        }
        let rows = AlignedBuffer((lengths.last ?? 0) * width, of: Float.self)
        for (start, sequence) in zip(lengths, sequences) {
            let range = range(of: sequence)
            (rows.floats + start * width).update(
                from: self.rows.floats + range.lowerBound * width, count: range.count * width)
        }
        let keysValues = crossKeysValues.map { source in
            let copy = AlignedBuffer(copied * rowSize, of: UInt8.self)
            for (from, to, count) in copies {
                (copy.pointer + to * rowSize).copyMemory(
                    from: source.pointer + from * rowSize, byteCount: count * rowSize)
            }
            return copy
        }
        return EncodedBatch(
            cumulativeSequenceLengths: lengths, rows: rows, crossKeysValues: keysValues,
            crossMemories: memories, width: width)
    }
}
