import CKernels
import T5
import Tensors

/// A bfloat16 matrix in panels (see `pack.h`), as the core serves with it, and transposed for the way back.
///
/// The panels of products that follow an RMSNorm have its gain folded in, and so have the transposed ones: on the way
/// back the norm has no gain.
struct BFloat16Matrix {
    let forward: PackedMatrix
    /// The transposed matrix's panels; their owner is the arithmetic's arena.
    let back: UnsafePointer<UInt16>
    /// Columns of the product's output as its rows lie in memory: with padding where gate and up alternate.
    let outputs: Int
    /// Panels of the transposed matrix.
    let backPanelCount: Int
    /// Of cross-attention's keys and values: the transposed panels of each head alone, the values' after the keys'.
    var backOfHead: [UnsafePointer<UInt16>] = []
}

/// Where the transposed panels of a core's matrices go.
struct TransposedPanels {
    private var plans: [(matrix: PackedMatrix, offset: Int, heads: [Int])] = []
    private let headWidth: Int
    private var end = 0

    init(headWidth: Int) { self.headWidth = headWidth }

    /// Columns of a product as its rows lie in memory.
    static func outputs(_ matrix: PackedMatrix) -> Int {
        matrix.isGated ? matrix.panelCount * Int(PP_PANEL) : matrix.columns
    }

    private static func panelCount(_ matrix: PackedMatrix) -> Int {
        (matrix.depth + Int(PP_PANEL) - 1) / Int(PP_PANEL)
    }

    /// Plans a matrix; returns its place in `pack`'s result.
    ///
    /// - Parameter byHead: Whether each head's panels are needed by themselves too.
    mutating func plan(_ matrix: PackedMatrix, byHead: Bool = false) -> Int {
        func place(_ outputs: Int) -> Int {
            defer { end += Self.panelCount(matrix) * pp_panel_bf16(outputs) }
            return end
        }
        let offset = place(Self.outputs(matrix))
        let isWhole = headWidth % Int(PP_PANEL) == 0
        let heads = byHead && isWhole ? (0..<matrix.columns / headWidth).map { _ in place(headWidth) } : []
        plans.append((matrix, offset, heads))
        return plans.count - 1
    }

    /// Packs what was planned.
    func pack(pool: WorkerPool) -> (arena: AlignedBuffer, matrices: [BFloat16Matrix]) {
        let arena = AlignedBuffer(end, of: UInt16.self)
        let start: UnsafeMutablePointer<UInt16> = arena.elements()
        let headPanels = headWidth / Int(PP_PANEL)
        let matrices = plans.map { matrix, offset, heads in
            let panels = Self.panelCount(matrix)
            let outputs = Self.outputs(matrix)
            let source = matrix.panels.assumingMemoryBound(to: UInt16.self)
            pool.ranges(of: panels) { range in
                pp_transpose_bf16(
                    source, matrix.depth, outputs, range.lowerBound, range.upperBound, start + offset)
                for (head, offset) in heads.enumerated() {
                    pp_transpose_bf16(
                        source + head * headPanels * pp_panel_bf16(matrix.depth), matrix.depth, headWidth,
                        range.lowerBound, range.upperBound, start + offset)
                }
            }
            return BFloat16Matrix(
                forward: matrix, back: UnsafePointer(start + offset), outputs: outputs,
                backPanelCount: panels,
                backOfHead: heads.map { UnsafePointer(start + $0) })
        }
        return (arena, matrices)
    }
}

extension CoreMatrices<BFloat16Matrix> {
    /// A core's packed matrices and their transposed panels, which `arena` keeps.
    init(_ weights: PackedWeights, headWidth: Int, pool: WorkerPool, arena: inout AlignedBuffer) {
        var panels = TransposedPanels(headWidth: headWidth)
        typealias FeedForwardPlan = (wi: Int, wo: Int)
        func feedForward(_ layer: PackedWeights.FeedForward) -> FeedForwardPlan {
            (panels.plan(layer.wi), panels.plan(layer.wo))
        }
        let encoderPlans = weights.encoder.map { layer in
            (
                qkv: panels.plan(layer.qkv), o: panels.plan(layer.o),
                feedForward: feedForward(layer.feedForward)
            )
        }
        let decoderPlans = weights.decoder.map { layer in
            (
                qkv: panels.plan(layer.qkv), o: panels.plan(layer.o), crossQ: panels.plan(layer.crossQ),
                crossKV: panels.plan(layer.crossKV, byHead: true), crossO: panels.plan(layer.crossO),
                feedForward: feedForward(layer.feedForward)
            )
        }
        let headPlan = panels.plan(weights.head)
        let (packed, matrices) = panels.pack(pool: pool)
        arena = packed

        let folded = NormGain(nil)
        func layer(_ plan: FeedForwardPlan) -> FeedForward {
            FeedForward(norm: folded, wi: matrices[plan.wi], wo: matrices[plan.wo])
        }
        encoder = encoderPlans.map { plan in
            EncoderLayer(
                attention: SelfAttention(norm: folded, qkv: matrices[plan.qkv], o: matrices[plan.o]),
                feedForward: layer(plan.feedForward))
        }
        decoder = decoderPlans.map { plan in
            DecoderLayer(
                attention: SelfAttention(norm: folded, qkv: matrices[plan.qkv], o: matrices[plan.o]),
                crossAttention: CrossAttention(
                    norm: folded, q: matrices[plan.crossQ], keysValues: matrices[plan.crossKV],
                    o: matrices[plan.crossO]),
                feedForward: layer(plan.feedForward))
        }
        encoderNorm = NormGain(weights.encoderNorm)
        decoderNorm = NormGain(weights.decoderNorm)
        head = matrices[headPlan]
        headScale = weights.headScale
    }
}
