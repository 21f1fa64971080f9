import CKernels
import T5
import Tensors

/// bfloat16 on the project's own kernels. Groups of sequences pass through the encoder on one thread each.
///
/// Every element is reduced in an order that its own sequence alone decides. Wide rows of a gated layer are 16 columns
/// of the gate, 16 of the other factor, and so on, as the panels lie.
final class BFloat16Arithmetic: Arithmetic {
    let configuration: T5Configuration
    let pool: WorkerPool
    let cpu: pp_cpu
    let matrices: CoreMatrices<BFloat16Matrix>
    let encoderBias: PositionBias
    let decoderBias: PositionBias
    let isGated: Bool
    let wideWidth: Int
    /// Scratch of the attention's workers.
    let attention = WorkspacePool()

    private let core: T5Core
    /// Keeps the transposed panels.
    private let arena: AlignedBuffer

    /// - Parameter weights: The core's, in bfloat16.
    init(_ core: T5Core, _ weights: PackedWeights, pool: WorkerPool) {
        self.core = core
        self.pool = pool
        configuration = core.configuration
        cpu = core.processor.cpu
        isGated = configuration.feedForward == .gatedGELU
        var arena = AlignedBuffer(0, of: UInt16.self)
        matrices = CoreMatrices(
            weights, headWidth: configuration.headWidth, pool: pool, arena: &arena)
        self.arena = arena
        wideWidth = matrices.encoder.first?.feedForward.wi.outputs ?? configuration.feedForwardWidth
        encoderBias = PositionBias(
            weights.encoderBias.pointer, configuration: configuration, bidirectional: true)
        decoderBias = PositionBias(
            weights.decoderBias.pointer, configuration: configuration, bidirectional: false)
    }

    let tracksWeights = false

    func spacing(_ width: Int) -> Int { pp_row_stride(2 * width) / 2 }

    func groups(_ lengths: [Int]) -> [Range<Int>] { Team.groups(lengths, threads: pool.threadCount) }

    func embed(_ id: Int32, into row: UnsafeMutablePointer<Float>) {
        core.weights.embedding.widenRow(Int(id), into: row)
    }

    func elements(_ x: Rows<Float>, _ count: Int, _ part: Part) -> Rows<UInt16> {
        let spacing = spacing(configuration.modelWidth)
        let out = Rows<UInt16>(start: part.workspace.elements.reserve(count * spacing), stride: spacing)
        narrow(x, count, width: configuration.modelWidth, into: out, part)
        return out
    }

    func copyElements(_ x: Rows<Float>, _ count: Int, into out: Rows<UInt16>, _ part: Part) {
        narrow(x, count, width: configuration.modelWidth, into: out, part)
    }

    private func narrow(_ x: Rows<Float>, _ count: Int, width: Int, into out: Rows<UInt16>, _ part: Part) {
        part.team.split(count, grain: 8) { range in
            withUnsafePointer(to: cpu) { cpu in
                for row in range { pp_f32_to_bf16(cpu, width, x.row(row), out.row(row)) }
            }
        }
    }

    // MARK: Products

    func project(
        _ x: Rows<Float>, _ norm: NormGain, _ matrix: BFloat16Matrix, into out: Rows<UInt16>, _ part: Part
    ) {
        multiplyNormalized(x, matrix, into: out, PP_STORE_BF16, part)
    }

    func widen(
        _ x: Rows<Float>, _ norm: NormGain, _ matrix: BFloat16Matrix, into wide: Rows<UInt16>, _ part: Part
    ) {
        multiplyNormalized(x, matrix, into: wide, isGated ? PP_STORE_BF16 : PP_RELU_BF16, part)
    }

    /// The norm's gain is in the matrix, its factor a scale of the product's rows.
    private func multiplyNormalized(
        _ x: Rows<Float>, _ matrix: BFloat16Matrix, into out: Rows<UInt16>, _ epilogue: pp_epilogue,
        _ part: Part
    ) {
        let d = configuration.modelWidth
        let spacing = spacing(d)
        let cast = Rows<UInt16>(
            start: part.workspace.normalized.reserve(part.count * spacing), stride: spacing)
        let scales: UnsafeMutablePointer<Float> = part.workspace.scales.reserve(part.count)
        part.team.split(part.count, grain: 8) { range in
            withUnsafePointer(to: cpu) { cpu in
                pp_rms_cast_bf16(
                    cpu, range.count, d, x.row(range.lowerBound), x.stride, configuration.layerNormEpsilon,
                    cast.row(range.lowerBound), spacing, scales + range.lowerBound)
            }
        }
        var gemm = forward(cast, matrix)
        gemm.row_scale = UnsafePointer(scales)
        gemm.epilogue = epilogue
        gemm.bf16 = out.start
        gemm.ld_bf16 = out.stride
        run(gemm, part.count, matrix.forward.panelCount, part.team)
    }

    func multiply(
        _ a: Rows<UInt16>, _ count: Int, _ matrix: BFloat16Matrix, into out: Rows<UInt16>, _ part: Part
    ) {
        var gemm = forward(a, matrix)
        gemm.epilogue = PP_STORE_BF16
        gemm.bf16 = out.start
        gemm.ld_bf16 = out.stride
        run(gemm, count, matrix.forward.panelCount, part.team)
    }

    func addProduct(_ a: Rows<UInt16>, _ matrix: BFloat16Matrix, to x: Rows<Float>, _ part: Part) {
        var gemm = forward(a, matrix)
        gemm.epilogue = PP_ADD_F32
        gemm.f32 = x.start
        gemm.ld_f32 = x.stride
        run(gemm, part.count, matrix.forward.panelCount, part.team)
    }

    func multiplyBack(_ g: Rows<UInt16>, _ matrix: BFloat16Matrix, into out: Rows<UInt16>, _ part: Part) {
        var gemm = back(g, matrix)
        gemm.epilogue = PP_STORE_BF16
        gemm.bf16 = out.start
        gemm.ld_bf16 = out.stride
        run(gemm, part.count, matrix.backPanelCount, part.team)
    }

    func multiplyBack(
        _ g: Rows<UInt16>, _ count: Int, _ matrix: BFloat16Matrix, into out: Rows<Float>, adding: Bool,
        _ part: Part
    ) {
        var gemm = back(g, matrix)
        gemm.epilogue = adding ? PP_ADD_F32 : PP_STORE_F32
        gemm.f32 = out.start
        gemm.ld_f32 = out.stride
        run(gemm, count, matrix.backPanelCount, part.team)
    }

    private func forward(_ a: Rows<UInt16>, _ matrix: BFloat16Matrix) -> pp_gemm {
        var gemm = pp_gemm()
        gemm.a = UnsafeRawPointer(a.start)
        gemm.lda = a.stride
        gemm.panels = matrix.forward.panels
        gemm.k = matrix.forward.depth
        gemm.columns = matrix.outputs
        return gemm
    }

    private func back(_ g: Rows<UInt16>, _ matrix: BFloat16Matrix) -> pp_gemm {
        var gemm = pp_gemm()
        gemm.a = UnsafeRawPointer(g.start)
        gemm.lda = g.stride
        gemm.panels = UnsafeRawPointer(matrix.back)
        gemm.k = matrix.outputs
        gemm.columns = matrix.forward.depth
        return gemm
    }

    /// Many rows are split by rows, which leaves each thread its rows in its cache; few by panels, so that each weight
    /// is read by one thread only.
    private func run(_ gemm: pp_gemm, _ rows: Int, _ panels: Int, _ team: Team) {
        let byRows = rows >= 64 * team.threadCount
        team.split(byRows ? rows : panels, grain: byRows ? 16 : 2) { range in
            withUnsafePointer(to: cpu) { cpu in
                withUnsafePointer(to: gemm) { gemm in
                    if byRows {
                        pp_gemm_bf16(cpu, gemm, range.lowerBound, range.upperBound, 0, panels)
                    } else {
                        pp_gemm_bf16(cpu, gemm, 0, rows, range.lowerBound, range.upperBound)
                    }
                }
            }
        }
    }

    // MARK: Feed-forward and dropout

    func gate(_ wide: Rows<UInt16>, into hidden: Rows<UInt16>, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            withUnsafePointer(to: cpu) { cpu in
                pp_bf16_gate(
                    cpu, wide.row(range.lowerBound), wide.stride, range.count, configuration.feedForwardWidth,
                    hidden.row(range.lowerBound), hidden.stride)
            }
        }
    }

    func wideGradient(_ wide: Rows<UInt16>, _ hiddenGradient: Rows<UInt16>, _ part: Part) -> Rows<UInt16> {
        let width = configuration.feedForwardWidth
        var out = hiddenGradient
        if isGated {
            let spacing = spacing(wideWidth)
            out = Rows(start: part.workspace.wideGradient.reserve(part.count * spacing), stride: spacing)
        }
        part.team.split(part.count, grain: 8) { range in
            withUnsafePointer(to: cpu) { cpu in
                if isGated {
                    pp_bf16_gate_gradient(
                        cpu, wide.row(range.lowerBound), wide.stride, hiddenGradient.row(range.lowerBound),
                        hiddenGradient.stride, range.count, width, out.row(range.lowerBound), out.stride)
                } else {
                    for row in range { pp_bf16_relu_gradient(cpu, wide.row(row), out.row(row), width) }
                }
            }
        }
        return out
    }

    func drop(_ rows: Rows<UInt16>, width: Int, _ site: DropoutSite, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            withUnsafePointer(to: cpu) { cpu in
                for row in range {
                    var dropout = site.row(part.first + row)
                    pp_bf16_dropout(cpu, &dropout, rows.row(row), width)
                }
            }
        }
    }

    // MARK: Loss

    func roundForHead(_ hidden: Rows<Float>, _ count: Int) {
        round(hidden.start, count * hidden.stride)
    }

    func headRow(_ id: Int32, into row: UnsafeMutablePointer<Float>) {
        core.weights.head.widenRow(Int(id), into: row)
        round(row, configuration.modelWidth)
    }

    /// To bfloat16's nearest.
    private func round(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
        withUnsafeTemporaryAllocation(of: UInt16.self, capacity: count) { rounded in
            guard let start = rounded.baseAddress else { return }
            withUnsafePointer(to: cpu) { cpu in
                pp_f32_to_bf16(cpu, count, x, start)
                pp_bf16_to_f32(cpu, count, start, x)
            }
        }
    }

    func logits(_ hidden: Rows<Float>, _ count: Int, into logits: Rows<Float>, _ part: Part) {
        var gemm = forward(elements(hidden, count, part), matrices.head)
        gemm.epilogue = PP_STORE_F32
        gemm.f32 = logits.start
        gemm.ld_f32 = logits.stride
        run(gemm, count, matrices.head.forward.panelCount, part.team)
    }

    func headGradient(
        _ logitsGradient: Rows<Float>, _ hidden: Rows<Float>, _ count: Int, into out: Rows<Float>,
        _ part: Part
    ) {
        let vocabulary = configuration.vocabularySize
        let spacing = spacing(vocabulary)
        let g = Rows<UInt16>(start: part.workspace.wideGradient.reserve(count * spacing), stride: spacing)
        narrow(logitsGradient, count, width: vocabulary, into: g, part)
        multiplyBack(g, count, matrices.head, into: out, adding: false, part)
    }

    // MARK: Weights, which are frozen

    func addWeightGradient(
        _ matrix: BFloat16Matrix, _ g: Rows<UInt16>, _ a: Rows<UInt16>, _ count: Int, _ part: Part
    ) {}

    func addWeightGradient(
        _ matrix: BFloat16Matrix, _ g: Rows<UInt16>, normalized x: Rows<Float>, _ norm: NormGain, _ part: Part
    ) {}

    func addGainGradient(
        _ norm: NormGain, _ x: Rows<Float>, _ g: Rows<Float>, scale: Float, _ count: Int, _ part: Part
    ) {}

    func addHeadRowGradient(_ id: Int32, _ factor: Float, _ hidden: UnsafePointer<Float>) {}

    func addEmbeddingGradient(_ id: Int32, _ gradient: UnsafePointer<Float>) {}
}
