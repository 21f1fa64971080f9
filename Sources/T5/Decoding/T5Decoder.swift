import Basics
import Tensors

/// A sequence that is being decoded: where its encoder rows are, and the keys and values of what the decoder
/// has read so far.
public final class DecoderSequence {
    private(set) var encoded: EncodedBatch
    /// Its number within the batch.
    private(set) var number: Int
    /// Keys and values `[capacity, 2 × inner]` a decoder layer, keys first.
    private(set) var cache: [AlignedBuffer]
    private var capacity = 0
    /// Bytes of a position in a layer's cache, known once there is one.
    private var rowSize = 0
    /// Most positions that it will read.
    private let limit: Int
    /// Positions read so far.
    public fileprivate(set) var length = 0

    /// A sequence at position 0 over one sequence of an encoded batch.
    ///
    /// - Parameters:
    ///   - encoded: The batch.
    ///   - sequence: The sequence's number in it.
    ///   - limit: Most positions that it will read, so that its caches need not grow beyond that.
    public init(_ encoded: EncodedBatch, sequence: Int, limit: Int = .max) {
        self.encoded = encoded
        number = sequence
        cache = []
        self.limit = limit
    }

    private init(continuing other: DecoderSequence) {
        encoded = other.encoded
        number = other.number
        capacity = other.capacity
        rowSize = other.rowSize
        limit = other.limit
        length = other.length
        cache = other.cache.map { source in
            let copy = AlignedBuffer(other.capacity * other.rowSize, of: UInt8.self)
            copy.pointer.copyMemory(from: source.pointer, byteCount: other.length * other.rowSize)
            return copy
        }
    }

    /// A sequence that has read the same and goes on by itself: it has copies of the caches, and the
    /// encoder's rows in common.
    func fork() -> DecoderSequence { DecoderSequence(continuing: self) }

    /// Attends to a copy of the same encoder rows in another batch from now on.
    func move(to encoded: EncodedBatch, sequence: Int) {
        self.encoded = encoded
        number = sequence
    }

    /// Its encoder rows within the batch.
    var encoderRows: Range<Int> { encoded.range(of: number) }

    /// What its cross-attention reads.
    var crossMemory: CrossAttentionMemory { encoded.crossMemories[number] }

    /// Makes room for so many positions in every layer's cache, each of `rowSize` bytes.
    fileprivate func reserve(_ length: Int, layers: Int, rowSize: Int) {
        guard length > capacity else { return }
        let grown = max(length, min(max(2 * capacity, 8), limit))
        cache = (0..<layers).map { layer in
            let buffer = AlignedBuffer(grown * rowSize, of: UInt8.self)
            if layer < cache.count {
                buffer.pointer.copyMemory(from: cache[layer].pointer, byteCount: self.length * rowSize)
            }
            return buffer
        }
        capacity = grown
        self.rowSize = rowSize
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
    func decode(_ inputs: [DecoderInput]) -> AlignedBuffer {
        let d = configuration.modelWidth
        let rowSize = 2 * configuration.innerWidth * layers.cacheElementSize
        let total = inputs.reduce(0) { $0 + $1.tokens.count }
        let x = AlignedBuffer(total * d, of: Float.self)
        var rows: [DecoderRow] = []
        rows.reserveCapacity(total)
        for input in inputs {
            let sequence = input.sequence
            let base = sequence.length
            sequence.reserve(
                base + input.tokens.count, layers: configuration.decoderLayers, rowSize: rowSize)
            let first = rows.count
            for (index, token) in input.tokens.enumerated() {
                embed(token, into: x.floats + rows.count * d)
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
            }
            sequence.length = base + input.tokens.count
        }
        layers.decode(x.floats, rows)
        return x
    }
}
