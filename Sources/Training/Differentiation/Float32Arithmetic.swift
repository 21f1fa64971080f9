import CKernels
import T5
import Tensors

/// The reference arithmetic: float32 on OpenBLAS. All threads share each step.
///
/// Wide rows of a gated layer are the gate's columns, then those of the other factor.
final class Float32Arithmetic: Arithmetic {
    let configuration: T5Configuration
    let pool: WorkerPool
    let kernels: UnsafePointer<pp_kernels>
    let matrices: CoreMatrices<Float32Matrix>
    let encoderBias: PositionBias
    let decoderBias: PositionBias
    let tracksWeights: Bool
    let isGated: Bool

    /// Scratch of the attention's workers.
    let attention = WorkspacePool()
    private let weights: T5Weights<FloatTensor>
    private let embeddingGradient: UnsafeMutablePointer<Float>?

    /// - Parameter gradient: The memory of a tensor's gradient, `nil` where it is not trained; the caller keeps it.
    init(
        _ weights: T5Weights<FloatTensor>, configuration: T5Configuration, processor: Processor,
        pool: WorkerPool,
        gradient: ((FloatTensor) -> UnsafeMutablePointer<Float>?)? = nil
    ) {
        self.weights = weights
        self.configuration = configuration
        self.pool = pool
        kernels = processor.kernels
        isGated = configuration.feedForward == .gatedGELU
        tracksWeights = gradient != nil
        let gradient = gradient ?? { _ in nil }
        matrices = CoreMatrices(weights, gradient: gradient)
        embeddingGradient = gradient(weights.embedding)
        encoderBias = PositionBias(
            weights.encoderBias.pointer, gradient: gradient(weights.encoderBias),
            configuration: configuration,
            bidirectional: true)
        decoderBias = PositionBias(
            weights.decoderBias.pointer, gradient: gradient(weights.decoderBias),
            configuration: configuration,
            bidirectional: false)
    }

    var wideWidth: Int { configuration.feedForwardWidth * (isGated ? 2 : 1) }

    func spacing(_ width: Int) -> Int { width }

    func groups(_ lengths: [Int]) -> [Range<Int>] { [0..<lengths.count - 1] }

    func embed(_ id: Int32, into row: UnsafeMutablePointer<Float>) {
        row.update(
            from: weights.embedding.pointer + Int(id) * configuration.modelWidth,
            count: configuration.modelWidth)
    }

    func elements(_ x: Rows<Float>, _ count: Int, _ part: Part) -> Rows<Float> { x }

    func copyElements(_ x: Rows<Float>, _ count: Int, into out: Rows<Float>, _ part: Part) {
        out.start.update(from: x.start, count: count * x.stride)
    }

    // MARK: Products

    func project(
        _ x: Rows<Float>, _ norm: NormGain, _ matrix: Float32Matrix, into out: Rows<Float>, _ part: Part
    ) {
        multiply(normalized(x, norm, part), part.count, matrix, into: out, part)
    }

    private func normalized(_ x: Rows<Float>, _ norm: NormGain, _ part: Part) -> Rows<Float> {
        let d = configuration.modelWidth
        let out = Rows<Float>(start: part.workspace.normalized.reserve(part.count * d), stride: d)
        pool.ranges(of: part.count, grain: 8) { range in
            pp_f32_rms_norm(
                kernels, x.row(range.lowerBound), x.stride, norm.values, configuration.layerNormEpsilon, 1,
                range.count, d,
                out.row(range.lowerBound), d)
        }
        return out
    }

    func widen(
        _ x: Rows<Float>, _ norm: NormGain, _ matrix: Float32Matrix, into wide: Rows<Float>, _ part: Part
    ) {
        project(x, norm, matrix, into: wide, part)
        guard !isGated else { return }
        pool.ranges(of: part.count) { range in
            pp_f32_relu(kernels, wide.row(range.lowerBound), range.count * wide.stride)
        }
    }

    func multiply(
        _ a: Rows<Float>, _ count: Int, _ matrix: Float32Matrix, into out: Rows<Float>, _ part: Part
    ) {
        for piece in matrix.pieces {
            pool.multiply(
                rows: count, columns: piece.outputs, inner: matrix.inputs, a.start, stride: a.stride,
                piece.values.pointer, stride: matrix.inputs, into: out.start + piece.first, stride: out.stride
            )
        }
    }

    func addProduct(_ a: Rows<Float>, _ matrix: Float32Matrix, to x: Rows<Float>, _ part: Part) {
        for piece in matrix.pieces {
            pool.multiply(
                rows: part.count, columns: piece.outputs, inner: matrix.inputs, a.start, stride: a.stride,
                piece.values.pointer, stride: matrix.inputs, into: x.start + piece.first, stride: x.stride,
                accumulate: true)
        }
    }

    func multiplyBack(_ g: Rows<Float>, _ matrix: Float32Matrix, into out: Rows<Float>, _ part: Part) {
        multiplyBack(g, part.count, matrix, into: out, adding: false, part)
    }

    func multiplyBack(
        _ g: Rows<Float>, _ count: Int, _ matrix: Float32Matrix, into out: Rows<Float>, adding: Bool,
        _ part: Part
    ) {
        for piece in matrix.pieces {
            pool.multiplyBack(
                rows: count, columns: matrix.inputs, inner: piece.outputs, g.start + piece.first,
                stride: g.stride,
                piece.values.pointer, stride: matrix.inputs, into: out.start, stride: out.stride,
                accumulate: adding || piece.first > 0)
        }
    }

    // MARK: Feed-forward and dropout

    func gate(_ wide: Rows<Float>, into hidden: Rows<Float>, _ part: Part) {
        let width = configuration.feedForwardWidth
        pool.ranges(of: part.count) { range in
            let row = wide.row(range.lowerBound)
            pp_f32_gate(
                kernels, row, row + width, wide.stride, range.count, width, hidden.row(range.lowerBound),
                hidden.stride)
        }
    }

    func wideGradient(_ wide: Rows<Float>, _ hiddenGradient: Rows<Float>, _ part: Part) -> Rows<Float> {
        let width = configuration.feedForwardWidth
        guard isGated else {
            pool.ranges(of: part.count) { range in
                pp_f32_relu_gradient(
                    kernels, wide.row(range.lowerBound), hiddenGradient.row(range.lowerBound),
                    range.count * width)
            }
            return hiddenGradient
        }
        let out = Rows<Float>(
            start: part.workspace.wideGradient.reserve(part.count * 2 * width), stride: 2 * width)
        pool.ranges(of: part.count) { range in
            let row = wide.row(range.lowerBound)
            let to = out.row(range.lowerBound)
            pp_f32_gate_gradient(
                kernels, row, row + width, wide.stride, hiddenGradient.row(range.lowerBound),
                hiddenGradient.stride,
                range.count, width, to, to + width, out.stride)
        }
        return out
    }

    func drop(_ rows: Rows<Float>, width: Int, _ site: DropoutSite, _ part: Part) {
        pool.ranges(of: part.count, grain: 8) { range in
            for row in range {
                var dropout = site.row(part.first + row)
                pp_f32_dropout(kernels, &dropout, rows.row(row), width)
            }
        }
    }

    // MARK: Loss

    func roundForHead(_ hidden: Rows<Float>, _ count: Int) {}

    func headRow(_ id: Int32, into row: UnsafeMutablePointer<Float>) {
        row.update(
            from: weights.head.pointer + Int(id) * configuration.modelWidth, count: configuration.modelWidth)
    }

    func logits(_ hidden: Rows<Float>, _ count: Int, into logits: Rows<Float>, _ part: Part) {
        multiply(hidden, count, matrices.head, into: logits, part)
    }

    func headGradient(
        _ logitsGradient: Rows<Float>, _ hidden: Rows<Float>, _ count: Int, into out: Rows<Float>,
        _ part: Part
    ) {
        multiplyBack(logitsGradient, count, matrices.head, into: out, adding: false, part)
        addWeightGradient(matrices.head, logitsGradient, hidden, count, part)
    }

    // MARK: Weights

    func addWeightGradient(
        _ matrix: Float32Matrix, _ g: Rows<Float>, _ a: Rows<Float>, _ count: Int, _ part: Part
    ) {
        for piece in matrix.pieces {
            guard let gradient = piece.gradient else { continue }
            pool.addOuterProduct(
                rows: count, outputs: piece.outputs, inputs: matrix.inputs, g.start + piece.first,
                stride: g.stride,
                a.start, stride: a.stride, to: gradient)
        }
    }

    func addWeightGradient(
        _ matrix: Float32Matrix, _ g: Rows<Float>, normalized x: Rows<Float>, _ norm: NormGain, _ part: Part
    ) {
        guard matrix.pieces.contains(where: { $0.gradient != nil }) else { return }
        addWeightGradient(matrix, g, normalized(x, norm, part), part.count, part)
    }

    func addGainGradient(
        _ norm: NormGain, _ x: Rows<Float>, _ g: Rows<Float>, scale: Float, _ count: Int, _ part: Part
    ) {
        guard let gradient = norm.gradient else { return }
        let d = configuration.modelWidth
        let rms: UnsafeMutablePointer<Float> = part.workspace.scales.reserve(count)
        pp_f32_inverse_rms(kernels, x.start, x.stride, configuration.layerNormEpsilon, count, d, rms)
        pool.ranges(of: d, grain: 16) { range in
            pp_f32_gain_gradient(
                kernels, x.start, x.stride, rms, scale, g.start, g.stride, count, range.lowerBound,
                range.upperBound,
                gradient)
        }
    }

    func addHeadRowGradient(_ id: Int32, _ factor: Float, _ hidden: UnsafePointer<Float>) {
        guard let gradient = matrices.head.pieces[0].gradient else { return }
        let d = configuration.modelWidth
        for index in 0..<d { gradient[Int(id) * d + index] += factor * hidden[index] }
    }

    func addEmbeddingGradient(_ id: Int32, _ gradient: UnsafePointer<Float>) {
        guard let embeddingGradient else { return }
        let d = configuration.modelWidth
        for index in 0..<d { embeddingGradient[Int(id) * d + index] += gradient[index] }
    }
}
