import CKernels
import T5
import Tensors

/// The way back through a number format's operations: what `ReversePass` is written in.
///
/// The gradient of the residual stream is float32 `[rows, d_model]`, as the stream is; what lies between is rows of
/// `Element`.
protocol BackwardOperations: AnyObject {
    associatedtype Forward: LayerOperations
    typealias Element = Forward.Element
    typealias Matrix = Forward.Matrix

    /// The operations that it goes back through.
    var forward: Forward { get }

    /// Whether the weights have gradients too.
    var tracksWeights: Bool { get }

    /// A sub-layer's norm's gain; `nil` where it is part of the matrix that follows.
    func gain(_ norm: FloatTensor) -> UnsafePointer<Float>?

    /// The rows as elements.
    func copyElements(_ x: Rows<Float>, _ count: Int, into out: Rows<Element>, _ part: Part)

    // MARK: Products

    /// `out = g W`: the gradient at a product's input from that at its output.
    func multiplyBack(_ g: Rows<Element>, _ matrix: Matrix, into out: Rows<Element>, _ part: Part)

    /// `out = g W` (`+ out` when `adding`) for so many rows, in float32.
    func multiplyBack(
        _ g: Rows<Element>, _ count: Int, _ matrix: Matrix, into out: Rows<Float>, adding: Bool, _ part: Part)

    // MARK: Feed-forward

    /// The gradient at the wide rows from that at the second matrix's input, which may be changed in place.
    func wideGradient(_ wide: Rows<Element>, _ hiddenGradient: Rows<Element>, _ part: Part) -> Rows<Element>

    /// Whether a bit for each wide element, which says that it is not 0, is all that the way back needs of them.
    var keepsSigns: Bool { get }

    /// Keeps those bits.
    func keepSigns(_ wide: Rows<Element>, in signs: Rows<UInt32>, _ part: Part)

    /// The gradient at the wide rows from those bits, in place.
    func wideGradient(_ signs: Rows<UInt32>, _ hiddenGradient: Rows<Element>, _ part: Part)

    // MARK: Attention

    /// The gradients at queries, keys and values from that at the output.
    func attentionGradient(
        _ spans: [AttentionSpan], q: Rows<Element>, k: Rows<Element>, v: Rows<Element>,
        bias: RelativePositionBias?, dropout: DropoutSite?, _ outGradient: Rows<Element>, q dq: Rows<Element>,
        k dk: Rows<Element>, v dv: Rows<Element>, _ part: Part)

    /// The gradient of `attendAbsorbed` at the queries, and added to that at the encoder's output.
    ///
    /// - Parameter encoded: The encoder's output.
    func absorbedAttentionGradient(
        _ spans: [AttentionSpan], q: Rows<Element>, encoded: Rows<Element>, _ keysValues: Matrix,
        dropout: DropoutSite?, _ outGradient: Rows<Element>, q dq: Rows<Element>,
        encoded encodedGradient: Rows<Float>, _ part: Part)

    // MARK: Loss

    /// The decoder's output as the head reads it, in place.
    func roundForHead(_ hidden: Rows<Float>, _ count: Int)

    /// The head's row of an id.
    func headRow(_ id: Int32, into row: UnsafeMutablePointer<Float>)

    /// The gradient at the decoder's output rows from that at the logits.
    func headGradient(
        _ logitsGradient: Rows<Float>, _ hidden: Rows<Float>, _ count: Int, into out: Rows<Float>,
        _ part: Part)

    // MARK: Weights

    /// Begins a pass: the weights may have changed since the last one.
    ///
    /// - Parameter longest: The longest sequence of the encoder and of the decoder.
    func beginWeightGradients(longest: (encoder: Int, decoder: Int))

    /// Adds what was gathered over a pass to the weights' gradients.
    func finishWeightGradients()

    /// `dW += gᵀ a`
    func addWeightGradient(
        _ matrix: Matrix, _ g: Rows<Element>, _ a: Rows<Element>, _ count: Int, _ part: Part)

    /// `dW += gᵀ RMSNorm(x)`
    func addWeightGradient(
        _ matrix: Matrix, _ g: Rows<Element>, normalized x: Rows<Float>, _ norm: FloatTensor, _ part: Part)

    /// The gradient of a norm's gain, given that at its output.
    func addGainGradient(
        _ norm: FloatTensor, _ x: Rows<Float>, _ g: Rows<Float>, scale: Float, _ part: Part)

    /// `gradient` of the head's row of an id `+= factor × hidden`.
    func addHeadRowGradient(_ id: Int32, _ factor: Float, _ hidden: UnsafePointer<Float>)

    /// The gradient of an embedding row `+= gradient`.
    func addEmbeddingGradient(_ id: Int32, _ gradient: UnsafePointer<Float>)
}

/// Formats whose weights are frozen.
extension BackwardOperations {
    func beginWeightGradients(longest: (encoder: Int, decoder: Int)) {}
    func finishWeightGradients() {}
    func addWeightGradient(
        _ matrix: Matrix, _ g: Rows<Element>, _ a: Rows<Element>, _ count: Int, _ part: Part
    ) {}
    func addWeightGradient(
        _ matrix: Matrix, _ g: Rows<Element>, normalized x: Rows<Float>, _ norm: FloatTensor, _ part: Part
    ) {}
    func addGainGradient(
        _ norm: FloatTensor, _ x: Rows<Float>, _ g: Rows<Float>, scale: Float, _ part: Part
    ) {}
    func addHeadRowGradient(_ id: Int32, _ factor: Float, _ hidden: UnsafePointer<Float>) {}
    func addEmbeddingGradient(_ id: Int32, _ gradient: UnsafePointer<Float>) {}
}

/// Formats that keep wide rows themselves.
extension BackwardOperations {
    var keepsSigns: Bool { false }
    func keepSigns(_ wide: Rows<Element>, in signs: Rows<UInt32>, _ part: Part) {}
    func wideGradient(_ signs: Rows<UInt32>, _ hiddenGradient: Rows<Element>, _ part: Part) {}
}

/// Formats that make keys and values of all encoder rows.
extension BackwardOperations {
    func absorbedAttentionGradient(
        _ spans: [AttentionSpan], q: Rows<Element>, encoded: Rows<Element>, _ keysValues: Matrix,
        dropout: DropoutSite?, _ outGradient: Rows<Element>, q dq: Rows<Element>,
        encoded encodedGradient: Rows<Float>, _ part: Part
    ) {}
}
