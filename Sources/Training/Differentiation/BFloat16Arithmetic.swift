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
    let kernels: UnsafePointer<pp_kernels>
    let matrices: CoreMatrices<BFloat16Matrix>
    let encoderBias: PositionBias
    let decoderBias: PositionBias
    let isGated: Bool
    let wideWidth: Int
    /// Scratch of the attention's workers.
    let attention = WorkspacePool()

    let core: T5Core
    /// Keeps the transposed panels.
    private let panels: TransposedPanels

    /// - Parameter weights: The core's, in bfloat16.
    init(_ core: T5Core, _ weights: PackedWeights, pool: WorkerPool) {
        self.core = core
        self.pool = pool
        configuration = core.configuration
        kernels = core.processor.kernels
        isGated = configuration.feedForward == .gatedGELU
        panels = TransposedPanels(kernels: kernels, pool: pool, headWidth: configuration.headWidth)
        matrices = CoreMatrices(weights, panels)
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
        core.embedding.widenRow(Int(id), into: row)
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

    func narrow(_ x: Rows<Float>, _ count: Int, width: Int, into out: Rows<UInt16>, _ part: Part) {
        part.team.split(count, grain: 8) { range in
            for row in range { pp_f32_to_bf16(kernels, width, x.row(row), out.row(row)) }
        }
    }

    // MARK: Feed-forward and dropout

    func gate(_ wide: Rows<UInt16>, into hidden: Rows<UInt16>, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            pp_bf16_gate(
                kernels, wide.row(range.lowerBound), wide.stride, range.count, configuration.feedForwardWidth,
                hidden.row(range.lowerBound), hidden.stride)
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
            if isGated {
                pp_bf16_gate_gradient(
                    kernels, wide.row(range.lowerBound), wide.stride, hiddenGradient.row(range.lowerBound),
                    hiddenGradient.stride, range.count, width, out.row(range.lowerBound), out.stride)
            } else {
                for row in range { pp_bf16_relu_gradient(kernels, wide.row(row), out.row(row), width) }
            }
        }
        return out
    }

    var keepsSigns: Bool { !isGated }

    func keepSigns(_ wide: Rows<UInt16>, in signs: Rows<UInt32>, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            for row in range { pp_bf16_signs(kernels, wide.row(row), wideWidth, signs.row(row)) }
        }
    }

    func wideGradient(_ signs: Rows<UInt32>, _ hiddenGradient: Rows<UInt16>, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            for row in range {
                pp_bf16_signs_gradient(kernels, signs.row(row), hiddenGradient.row(row), wideWidth)
            }
        }
    }

    func drop(_ rows: Rows<UInt16>, width: Int, _ site: DropoutSite, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            for row in range {
                var dropout = site.row(part.first + row)
                pp_bf16_dropout(kernels, &dropout, rows.row(row), width)
            }
        }
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
