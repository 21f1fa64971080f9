import Basics
import CKernels
import Tensors

/// The operations that T5's layers consist of, in one number format: what `Encoder.swift` and `Decoder.swift` are
/// written in. The trainer's operations add the way back.
///
/// The residual stream is float32 `[rows, d_model]`; what lies between is rows of `Element`. "Wide" rows are what the
/// feed-forward layer's first matrix makes: for ReLU after the activation, for a gated layer both factors before it,
/// in an order that is the implementation's own.
package protocol LayerOperations<Element>: AnyObject {
    associatedtype Element: BitwiseCopyable
    associatedtype Matrix

    var configuration: T5Configuration { get }
    var pool: WorkerPool { get }
    /// `[vocab_size, d_model]`
    var embedding: StoredTensor { get }
    var weights: T5Weights<Matrix, FloatTensor> { get }
    var encoderBias: RelativePositionBias { get }
    var decoderBias: RelativePositionBias { get }
    var workspaces: WorkspacePool { get }

    /// Elements from one row of that width to the next, as the kernels like it.
    func stride(_ width: Int) -> Int

    /// How sequences are grouped to pass through the encoder's layers.
    ///
    /// - Parameter lengths: Where each sequence begins, and the number of rows as the last.
    func groups(_ lengths: [Int]) -> [Range<Int>]

    // MARK: Products

    /// The rows as elements: themselves, or a copy in scratch memory that lasts until the next call.
    func elements(_ x: Rows<Float>, _ count: Int, _ part: Part) -> Rows<Element>

    /// `out = RMSNorm(x) Wᵀ`
    func project(
        _ x: Rows<Float>, _ norm: FloatTensor, _ matrix: Matrix, into out: Rows<Element>, _ part: Part)

    /// `out = a Wᵀ` for so many rows.
    func multiply(_ a: Rows<Element>, _ count: Int, _ matrix: Matrix, into out: Rows<Element>, _ part: Part)

    /// `x += a Wᵀ`
    func addProduct(_ a: Rows<Element>, _ matrix: Matrix, to x: Rows<Float>, _ part: Part)

    // MARK: Feed-forward

    /// `x += FeedForward(RMSNorm(x))` in one go, its steps fused.
    func addFeedForward(to x: Rows<Float>, _ layer: T5Weights<Matrix, FloatTensor>.FeedForward, _ part: Part)

    /// Elements of a wide row.
    var wideWidth: Int { get }

    /// `wide = act(RMSNorm(x) Wᵀ)`, for a gated layer without the activation.
    func widen(
        _ x: Rows<Float>, _ norm: FloatTensor, _ matrix: Matrix, into wide: Rows<Element>, _ part: Part)

    /// A gated layer's second matrix's input from wide rows.
    func gate(_ wide: Rows<Element>, into hidden: Rows<Element>, _ part: Part)

    /// Dropout of rows in place.
    func drop(_ rows: Rows<Element>, width: Int, _ site: DropoutSite, _ part: Part)

    // MARK: Attention

    /// `out = dropout(softmax(q kᵀ + bias)) v` of every head, within each span.
    func attend(
        _ spans: [AttentionSpan], q: Rows<Element>, k: Rows<Element>, v: Rows<Element>,
        bias: RelativePositionBias?, dropout: DropoutSite?, into out: Rows<Element>, _ part: Part)

    /// Attention of single rows, each to keys and values of its own.
    ///
    /// - Parameter longest: The most keys of any.
    func attend(
        _ rows: [CachedRow<Element>], q: Rows<Element>, bias: RelativePositionBias?, longest: Int,
        into out: Rows<Element>, _ part: Part)

    // MARK: Cross-attention over the encoder's output

    /// Whether a sequence's cross-attention reads the encoder's output itself instead of keys and values. Decided by
    /// the sequence alone, so that its numbers do not depend on the batch.
    ///
    /// - Parameters:
    ///   - keys: Rows of the encoder's output.
    ///   - decoderRows: Decoder rows that will attend to them.
    func absorbsKeysValues(keys: Int, decoderRows: Int) -> Bool

    /// A sequence's encoder output in the form that `attendAbsorbed` reads, the same for all layers and heads.
    func packEncoderOutput(_ rows: Rows<Element>, keys: Int) -> AlignedBuffer

    /// Cross-attention without keys and values.
    func attendAbsorbed(
        _ spans: [AbsorbedSpan], q: Rows<Element>, _ keysValues: Matrix, dropout: DropoutSite?,
        into out: Rows<Element>, _ part: Part)

    // MARK: Head

    /// The logits `[count, vocab_size]` of decoder output rows.
    func logits(_ hidden: Rows<Float>, _ count: Int, into logits: Rows<Float>, _ part: Part)

    /// The logits of some ids for one decoder output row.
    func logits(_ hidden: UnsafePointer<Float>, of ids: [Int32]) -> [Float]

    /// The likeliest id of each decoder output row; the lowest of equally likely ones, and none where its logit is not
    /// finite.
    func likeliest(_ hidden: Rows<Float>, _ count: Int, _ part: Part) -> [Int32?]
}

extension LayerOperations {
    package var kernels: UnsafePointer<pp_kernels> { pool.kernels }

    /// Width of all heads together.
    package var inner: Int { configuration.innerWidth }

    /// Rows of elements in scratch memory.
    package func scratch(_ width: Int, _ count: Int, _ scratch: inout Scratch) -> Rows<Element> {
        let stride = stride(width)
        return Rows(start: scratch.reserve(count * stride), stride: stride)
    }

    /// `out = RMSNorm(x) * scale` in float32.
    package func normalize(
        _ x: Rows<Float>, _ gain: FloatTensor, scale: Float = 1, into out: Rows<Float>, _ part: Part
    ) {
        part.team.split(part.count, grain: 8) { range in
            pp_f32_rms_norm(
                kernels, x.row(range.lowerBound), x.stride, gain.pointer, configuration.layerNormEpsilon,
                scale, range.count, configuration.modelWidth, out.row(range.lowerBound), out.stride)
        }
    }
}

/// Formats that always make keys and values, as the model's definition says: none of their sequences has another form.
extension LayerOperations {
    package func absorbsKeysValues(keys: Int, decoderRows: Int) -> Bool { false }

    package func packEncoderOutput(_ rows: Rows<Element>, keys: Int) -> AlignedBuffer {
        AlignedBuffer(0, of: Element.self)
    }

    package func attendAbsorbed(
        _ spans: [AbsorbedSpan], q: Rows<Element>, _ keysValues: Matrix, dropout: DropoutSite?,
        into out: Rows<Element>, _ part: Part
    ) {}
}
