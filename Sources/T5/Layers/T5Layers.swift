import Tensors

/// The layers of a core in one precision: what a session runs its forward passes on.
///
/// Rows come and go as float32 `[rows, d_model]`; what lies between is the implementation's. `x` is the residual
/// stream, changed in place.
protocol T5Layers: AnyObject {
    /// Bytes of an element of the decoder's keys and values.
    var cacheElementSize: Int { get }

    /// The encoder over stacked sequences, its final norm included.
    ///
    /// - Parameter lengths: Where each sequence begins, and the number of rows as the last.
    func encode(_ x: UnsafeMutablePointer<Float>, lengths: [Int])

    /// The encoder's output as cross-attention reads it without keys and values, for each sequence that so few
    /// decoder rows will attend to that this costs less; `nil` for the others.
    ///
    /// - Parameters:
    ///   - lengths: Where each sequence begins, and the number of rows as the last.
    ///   - decoderRows: The most decoder rows of a sequence, when that is known.
    func encoderOutputs(
        _ x: UnsafePointer<Float>, lengths: [Int], decoderRows: (Int) -> Int?
    ) -> [AlignedBuffer?]

    /// The cross-attention keys and values `[rows, 2 × inner]`, keys first, of each decoder layer.
    func crossKeysValues(_ x: UnsafePointer<Float>, rows: Int) -> [AlignedBuffer]

    /// The decoder over new tokens, its final norm and the head's scale included.
    ///
    /// - Parameter longest: The most keys that any row attends to.
    func decode(_ x: UnsafeMutablePointer<Float>, _ rows: [DecoderRow], longest: Int)

    /// The logits `[rows, vocab_size]` of decoder output rows.
    func logits(_ hidden: UnsafePointer<Float>, rows: Int, into logits: UnsafeMutablePointer<Float>)

    /// The likeliest id of each decoder output row; the lowest of equally likely ones.
    func argmax(_ hidden: UnsafePointer<Float>, rows: Int) -> [Int32]

    /// The logits of some ids for one decoder output row.
    func logits(_ hidden: UnsafePointer<Float>, of ids: [Int32]) -> [Float]
}

/// A token of a decoder pass.
struct DecoderRow {
    let sequence: DecoderSequence
    /// Where its keys and values go in the sequence's caches.
    let slot: Int
    let position: Int
    /// The cache slots it attends to in order of position; `nil` for `0 ... slot`.
    let path: [Int32]?
}
