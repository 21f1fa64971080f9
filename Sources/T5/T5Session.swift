import CKernels
import Tensors

/// Runs a core's forward passes on one pool of threads, with scratch memory that is reused from pass to pass.
/// One session serves one thread at a time; sessions over the same core share its weights.
public final class T5Session {
    /// The core that computes.
    public let core: T5Core
    /// The threads it computes on.
    public let pool: WorkerPool

    let configuration: T5Configuration
    let weights: T5Weights
    var encoderBias: RelativePositionBias
    var decoderBias: RelativePositionBias
    var normalized = Scratch()
    var projected = Scratch()
    var context = Scratch()
    var gate = Scratch()
    var up = Scratch()
    var scores: [Scratch]

    /// Rows of the feed-forward layer computed together, which bounds its scratch memory.
    static let feedForwardBlock = 1024

    /// A session over a core.
    public init(core: T5Core, pool: WorkerPool) {
        self.core = core
        self.pool = pool
        configuration = core.configuration
        weights = core.weights
        encoderBias = RelativePositionBias(
            weights.encoderBias, configuration: configuration, bidirectional: true)
        decoderBias = RelativePositionBias(
            weights.decoderBias, configuration: configuration, bidirectional: false)
        scores = (0..<pool.threadCount).map { _ in Scratch() }
    }

    /// Checks that every id can be looked up.
    func check(_ ids: [Int32]) throws(T5Error) {
        for id in ids where id < 0 || id >= configuration.vocabularySize {
            throw T5Error(
                .input, "id \(id) is out of range; this core has ids 0 to \(configuration.vocabularySize - 1)"
            )
        }
    }

    /// Copies an id's embedding row.
    func embed(_ id: Int32, into row: UnsafeMutablePointer<Float>) {
        let d = configuration.modelWidth
        row.update(from: weights.embedding.pointer + Int(id) * d, count: d)
    }

    /// RMSNorm of `rows` rows of width `d_model`.
    func normalize(
        _ x: UnsafePointer<Float>, _ rows: Int, _ gain: FloatTensor, scale: Float = 1,
        into out: UnsafeMutablePointer<Float>
    ) {
        let d = configuration.modelWidth
        let epsilon = configuration.layerNormEpsilon
        pool.ranges(of: rows, grain: 8) { range in
            pp_f32_rms_norm(
                x + range.lowerBound * d, d, gain.pointer, epsilon, scale, range.count, d,
                out + range.lowerBound * d, d)
        }
    }

    /// `out = x Wᵀ` (`+ out` when `accumulate`) for rows of the matrix's input width.
    func linear(
        _ x: UnsafePointer<Float>, _ rows: Int, _ W: FloatTensor, into out: UnsafeMutablePointer<Float>,
        stride: Int? = nil, accumulate: Bool = false
    ) {
        let outputs = W.shape[0]
        let inputs = W.shape[1]
        pool.multiply(
            rows: rows, columns: outputs, inner: inputs, x, stride: inputs, W.pointer, stride: inputs,
            into: out, stride: stride ?? outputs, accumulate: accumulate)
    }

    /// `x += FeedForward(RMSNorm(x))`, a block of rows at a time.
    func feedForward(
        _ x: UnsafeMutablePointer<Float>, _ rows: Int, norm: FloatTensor, _ layer: T5Weights.FeedForward
    ) {
        let d = configuration.modelWidth
        let width = configuration.feedForwardWidth
        let block = min(rows, Self.feedForwardBlock)
        let normalized = normalized.reserve(block * d)
        let gate = gate.reserve(block * width)
        for start in stride(from: 0, to: rows, by: Self.feedForwardBlock) {
            let count = min(Self.feedForwardBlock, rows - start)
            normalize(x + start * d, count, norm, into: normalized)
            linear(normalized, count, layer.gate, into: gate)
            if let upWeights = layer.up {
                let up = up.reserve(block * width)
                linear(normalized, count, upWeights, into: up)
                pool.ranges(of: count) { range in
                    let offset = range.lowerBound * width
                    pp_f32_gated_gelu(gate + offset, width, up + offset, width, range.count, width)
                }
            } else {
                pool.ranges(of: count) { range in
                    pp_f32_relu(gate + range.lowerBound * width, range.count * width)
                }
            }
            linear(gate, count, layer.down, into: x + start * d, accumulate: true)
        }
    }
}
