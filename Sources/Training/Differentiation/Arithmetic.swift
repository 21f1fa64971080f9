import CKernels
import T5
import Tensors

/// A norm's gain: read, and when it is trained its gradient.
struct NormGain {
    /// `nil` where it is part of the matrix that follows.
    let values: UnsafePointer<Float>?
    let gradient: UnsafeMutablePointer<Float>?

    /// A gain that is not trained; its owner keeps the memory.
    init(_ values: FloatTensor?, gradient: UnsafeMutablePointer<Float>? = nil) {
        self.values = values?.pointer
        self.gradient = gradient
    }
}

/// A core's matrices by their role, each in the form that an arithmetic multiplies with.
struct CoreMatrices<Matrix> {
    struct SelfAttention {
        let norm: NormGain
        let qkv, o: Matrix
    }

    struct CrossAttention {
        let norm: NormGain
        let q, keysValues, o: Matrix
    }

    struct FeedForward {
        let norm: NormGain
        let wi, wo: Matrix
    }

    struct EncoderLayer {
        let attention: SelfAttention
        let feedForward: FeedForward
    }

    struct DecoderLayer {
        let attention: SelfAttention
        let crossAttention: CrossAttention
        let feedForward: FeedForward
    }

    let encoder: [EncoderLayer]
    let encoderNorm: NormGain
    let decoder: [DecoderLayer]
    let decoderNorm: NormGain
    let head: Matrix
    let headScale: Float
}

/// The products and attention of one number format, forward and back: what the reverse pass is written in.
///
/// The residual stream and its gradient are float32 `[rows, d_model]`; what lies between is rows of `Element`.
/// "Wide" rows are what the feed-forward layer's first product leaves: for ReLU its output, for a gated layer both
/// factors before the activation, in an order that is the arithmetic's own.
protocol Arithmetic: AnyObject {
    associatedtype Element: BitwiseCopyable
    associatedtype Matrix

    var configuration: T5Configuration { get }
    var pool: WorkerPool { get }
    var kernels: UnsafePointer<pp_kernels> { get }
    var matrices: CoreMatrices<Matrix> { get }
    var encoderBias: PositionBias { get }
    var decoderBias: PositionBias { get }
    /// Whether the weights have gradients too.
    var tracksWeights: Bool { get }
    /// Elements of a wide row.
    var wideWidth: Int { get }
    /// Whether the wide rows are not yet the second product's input.
    var isGated: Bool { get }

    /// Whether a bit for each wide element is all that the way back needs of them.
    var keepsSigns: Bool { get }

    /// Elements from one row of that width to the next.
    func spacing(_ width: Int) -> Int

    /// How the sequences are grouped to pass through the encoder's layers.
    func groups(_ lengths: [Int]) -> [Range<Int>]

    /// An id's embedding row.
    func embed(_ id: Int32, into row: UnsafeMutablePointer<Float>)

    /// The rows as elements: themselves, or a copy in scratch memory that lasts until the next call.
    func elements(_ x: Rows<Float>, _ count: Int, _ part: Part) -> Rows<Element>

    /// The rows as elements.
    func copyElements(_ x: Rows<Float>, _ count: Int, into out: Rows<Element>, _ part: Part)

    /// `out = RMSNorm(x) Wᵀ`
    func project(_ x: Rows<Float>, _ norm: NormGain, _ matrix: Matrix, into out: Rows<Element>, _ part: Part)

    /// `wide = act(RMSNorm(x) Wᵀ)`, for a gated layer without the activation.
    func widen(_ x: Rows<Float>, _ norm: NormGain, _ matrix: Matrix, into wide: Rows<Element>, _ part: Part)

    /// `out = a Wᵀ` for so many rows.
    func multiply(_ a: Rows<Element>, _ count: Int, _ matrix: Matrix, into out: Rows<Element>, _ part: Part)

    /// `x += a Wᵀ`
    func addProduct(_ a: Rows<Element>, _ matrix: Matrix, to x: Rows<Float>, _ part: Part)

    /// A gated layer's second product's input from wide rows.
    func gate(_ wide: Rows<Element>, into hidden: Rows<Element>, _ part: Part)

    /// `out = g W`: the gradient at a product's input from that at its output.
    func multiplyBack(_ g: Rows<Element>, _ matrix: Matrix, into out: Rows<Element>, _ part: Part)

    /// `out = g W` (`+ out` when `adding`) for so many rows, in float32.
    func multiplyBack(
        _ g: Rows<Element>, _ count: Int, _ matrix: Matrix, into out: Rows<Float>, adding: Bool, _ part: Part)

    /// The gradient at the wide rows from that at the second product's input, which may be changed in place.
    func wideGradient(
        _ wide: Rows<Element>, _ hiddenGradient: Rows<Element>, _ part: Part
    ) -> Rows<Element>

    /// Keeps which wide elements are not 0.
    func keepSigns(_ wide: Rows<Element>, in signs: Rows<UInt32>, _ part: Part)

    /// The gradient at the wide rows from those bits, in place.
    func wideGradient(_ signs: Rows<UInt32>, _ hiddenGradient: Rows<Element>, _ part: Part)

    /// `out = dropout(softmax(q kᵀ + bias)) v` of every head.
    func attend(
        _ spans: [AttentionSpan], q: Rows<Element>, k: Rows<Element>, v: Rows<Element>, bias: PositionBias?,
        dropout: DropoutSite?, into out: Rows<Element>, _ part: Part)

    /// The gradients at queries, keys and values from that at the output.
    func attentionGradient(
        _ spans: [AttentionSpan], q: Rows<Element>, k: Rows<Element>, v: Rows<Element>, bias: PositionBias?,
        dropout: DropoutSite?, _ outGradient: Rows<Element>, q dq: Rows<Element>, k dk: Rows<Element>,
        v dv: Rows<Element>, _ part: Part)

    /// Whether cross-attention of a sequence needs no keys and values: see `BFloat16Arithmetic`.
    func absorbsKeysValues(_ span: AttentionSpan) -> Bool

    /// Cross-attention with the decoder's queries.
    func crossAttend(
        _ cross: CrossAttentionRows<Element>, _ keysValues: Matrix, dropout: DropoutSite?,
        into context: Rows<Element>, _ part: Part)

    /// Its gradient at the queries, and added to that at the encoder's output.
    func crossAttentionGradient(
        _ cross: CrossAttentionRows<Element>, _ keysValues: Matrix, dropout: DropoutSite?,
        _ contextGradient: Rows<Element>, q dq: Rows<Element>, encoded: Rows<Float>, _ part: Part)

    /// Dropout of rows in place.
    func drop(_ rows: Rows<Element>, width: Int, _ site: DropoutSite, _ part: Part)

    // MARK: Loss

    /// The decoder's output as the head reads it, in place.
    func roundForHead(_ hidden: Rows<Float>, _ count: Int)

    /// The head's row of an id.
    func headRow(_ id: Int32, into row: UnsafeMutablePointer<Float>)

    /// The logits `[count, vocab_size]`.
    func logits(_ hidden: Rows<Float>, _ count: Int, into logits: Rows<Float>, _ part: Part)

    /// The gradient at the decoder's output rows from that at the logits.
    func headGradient(
        _ logitsGradient: Rows<Float>, _ hidden: Rows<Float>, _ count: Int, into out: Rows<Float>,
        _ part: Part)

    // MARK: Weights

    /// `dW += gᵀ a`
    func addWeightGradient(
        _ matrix: Matrix, _ g: Rows<Element>, _ a: Rows<Element>, _ count: Int, _ part: Part)

    /// `dW += gᵀ RMSNorm(x)`
    func addWeightGradient(
        _ matrix: Matrix, _ g: Rows<Element>, normalized x: Rows<Float>, _ norm: NormGain, _ part: Part)

    /// The gradient of a norm's gain, given that at its output.
    func addGainGradient(
        _ norm: NormGain, _ x: Rows<Float>, _ g: Rows<Float>, scale: Float, _ count: Int, _ part: Part)

    /// `gradient` of the head's row of an id `+= factor × hidden`.
    func addHeadRowGradient(_ id: Int32, _ factor: Float, _ hidden: UnsafePointer<Float>)

    /// The gradient of an embedding row `+= gradient`.
    func addEmbeddingGradient(_ id: Int32, _ gradient: UnsafePointer<Float>)
}
