import CKernels
import T5
import Tensors

/// The way back through the float32 operations, down to the weights where they are trained.
final class Float32Backward: BackwardOperations {
    let forward: Float32Operations
    let tracksWeights: Bool
    /// Of the tensors that are trained, by where their values lie; the caller keeps the memory.
    private let gradients: [UnsafePointer<Float>: UnsafeMutablePointer<Float>]
    private let encoderBiasGradient, decoderBiasGradient: RelativePositionBiasGradient?

    /// - Parameter gradients: The memory of trained tensors' gradients by where their values lie; the caller keeps
    ///   both. `nil` when the weights are frozen.
    init(
        _ forward: Float32Operations, gradients: [UnsafePointer<Float>: UnsafeMutablePointer<Float>]? = nil
    ) {
        self.forward = forward
        tracksWeights = gradients != nil
        self.gradients = gradients ?? [:]
        func gradient(of bias: RelativePositionBias) -> RelativePositionBiasGradient? {
            gradients?[bias.weights.pointer].map {
                RelativePositionBiasGradient(of: bias, heads: forward.configuration.heads, addingTo: $0)
            }
        }
        encoderBiasGradient = gradient(of: forward.encoderBias)
        decoderBiasGradient = gradient(of: forward.decoderBias)
    }

    private var configuration: T5Configuration { forward.configuration }
    private var kernels: UnsafePointer<pp_kernels> { forward.kernels }

    private func gradient(of tensor: FloatTensor) -> UnsafeMutablePointer<Float>? {
        gradients[tensor.pointer]
    }

    func gain(_ norm: FloatTensor) -> UnsafePointer<Float>? { norm.pointer }

    func copyElements(_ x: Rows<Float>, _ count: Int, into out: Rows<Float>, _ part: Part) {
        out.start.update(from: x.start, count: count * x.stride)
    }

    // MARK: Products

    func multiplyBack(_ g: Rows<Float>, _ matrix: Float32Matrix, into out: Rows<Float>, _ part: Part) {
        multiplyBack(g, part.count, matrix, into: out, adding: false, part)
    }

    func multiplyBack(
        _ g: Rows<Float>, _ count: Int, _ matrix: Float32Matrix, into out: Rows<Float>, adding: Bool,
        _ part: Part
    ) {
        matrix.forEachPiece { piece, first in
            forward.pool.multiplyBack(
                rows: count, columns: matrix.inputs, inner: piece.shape[0], g.start + first, stride: g.stride,
                piece.pointer, stride: matrix.inputs, into: out.start, stride: out.stride,
                accumulate: adding || first > 0)
        }
    }

    // MARK: Feed-forward

    func wideGradient(_ wide: Rows<Float>, _ hiddenGradient: Rows<Float>, _ part: Part) -> Rows<Float> {
        let width = configuration.feedForwardWidth
        guard configuration.feedForward.isGated else {
            part.team.split(part.count, grain: 1) { range in
                pp_f32_relu_gradient(
                    kernels, wide.row(range.lowerBound), hiddenGradient.row(range.lowerBound),
                    range.count * width)
            }
            return hiddenGradient
        }
        let out = forward.scratch(forward.wideWidth, part.count, &part.workspace.wideGradient)
        part.team.split(part.count, grain: 1) { range in
            let row = wide.row(range.lowerBound)
            let to = out.row(range.lowerBound)
            pp_f32_gate_gradient(
                kernels, row, row + width, wide.stride, hiddenGradient.row(range.lowerBound),
                hiddenGradient.stride, range.count, width, to, to + width, out.stride)
        }
        return out
    }

    // MARK: Loss

    func roundForHead(_ hidden: Rows<Float>, _ count: Int) {}

    func headRow(_ id: Int32, into row: UnsafeMutablePointer<Float>) {
        let d = configuration.modelWidth
        row.update(from: forward.weights.head.pieces[0].pointer + Int(id) * d, count: d)
    }

    func headGradient(
        _ logitsGradient: Rows<Float>, _ hidden: Rows<Float>, _ count: Int, into out: Rows<Float>,
        _ part: Part
    ) {
        multiplyBack(logitsGradient, count, forward.weights.head, into: out, adding: false, part)
        addWeightGradient(forward.weights.head, logitsGradient, hidden, count, part)
    }

    // MARK: Weights

    func beginWeightGradients(longest: (encoder: Int, decoder: Int)) {
        guard tracksWeights else { return }
        forward.encoderBias.reset()
        forward.decoderBias.reset()
        encoderBiasGradient?.begin(longest: longest.encoder)
        decoderBiasGradient?.begin(longest: longest.decoder)
    }

    func finishWeightGradients() {
        encoderBiasGradient?.finish()
        decoderBiasGradient?.finish()
    }

    /// The gradient of a bias that is trained.
    func gradient(of bias: RelativePositionBias?) -> RelativePositionBiasGradient? {
        bias.flatMap { $0 === forward.encoderBias ? encoderBiasGradient : decoderBiasGradient }
    }

    func addWeightGradient(
        _ matrix: Float32Matrix, _ g: Rows<Float>, _ a: Rows<Float>, _ count: Int, _ part: Part
    ) {
        matrix.forEachPiece { piece, first in
            guard let gradient = gradient(of: piece) else { return }
            forward.pool.addOuterProduct(
                rows: count, outputs: piece.shape[0], inputs: matrix.inputs, g.start + first,
                stride: g.stride,
                a.start, stride: a.stride, to: gradient)
        }
    }

    func addWeightGradient(
        _ matrix: Float32Matrix, _ g: Rows<Float>, normalized x: Rows<Float>, _ norm: FloatTensor,
        _ part: Part
    ) {
        guard matrix.pieces.contains(where: { gradient(of: $0) != nil }) else { return }
        addWeightGradient(matrix, g, forward.normalized(x, norm, part), part.count, part)
    }

    func addGainGradient(
        _ norm: FloatTensor, _ x: Rows<Float>, _ g: Rows<Float>, scale: Float, _ part: Part
    ) {
        guard let gradient = gradient(of: norm) else { return }
        let (d, count) = (configuration.modelWidth, part.count)
        let rms: UnsafeMutablePointer<Float> = part.workspace.scales.reserve(count)
        pp_f32_inverse_rms(kernels, x.start, x.stride, configuration.layerNormEpsilon, count, d, rms)
        part.team.split(d, grain: 16) { range in
            pp_f32_gain_gradient(
                kernels, x.start, x.stride, rms, scale, g.start, g.stride, count, range.lowerBound,
                range.upperBound, gradient)
        }
    }

    func addHeadRowGradient(_ id: Int32, _ factor: Float, _ hidden: UnsafePointer<Float>) {
        guard let gradient = gradient(of: forward.weights.head.pieces[0]) else { return }
        let d = configuration.modelWidth
        for index in 0..<d { gradient[Int(id) * d + index] += factor * hidden[index] }
    }

    func addEmbeddingGradient(_ id: Int32, _ gradient: UnsafePointer<Float>) {
        guard let values = forward.embedding.bytes.baseAddress?.assumingMemoryBound(to: Float.self),
            let embeddingGradient = gradients[values]
        else { return }
        let d = configuration.modelWidth
        for index in 0..<d { embeddingGradient[Int(id) * d + index] += gradient[index] }
    }
}
