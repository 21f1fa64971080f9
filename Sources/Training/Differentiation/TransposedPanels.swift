import CKernels
import T5
import Tensors

/// A bfloat16 matrix in panels (see `pack.h`), as the core serves with it, and transposed for the way back.
///
/// The panels of products that follow an RMSNorm have its gain folded in, and so have the transposed ones: on the way
/// back the norm has no gain.
struct BFloat16Matrix {
    let forward: PackedMatrix
    /// The transposed matrix's panels; `nil` where a product transposes them as it goes. Their owner is the
    /// arithmetic's arena.
    let back: UnsafePointer<UInt16>?
    /// Of cross-attention's keys and values: the transposed panels of each head alone, the values' after the keys'.
    let backOfHead: [UnsafePointer<UInt16>]

    /// Columns of the product's output as its rows lie in memory: with padding where gate and up alternate.
    var outputs: Int { forward.isGated ? forward.panelCount * Int(PP_PANEL) : forward.columns }

    /// Panels of the transposed matrix.
    var backPanelCount: Int { (forward.depth + Int(PP_PANEL) - 1) / Int(PP_PANEL) }
}

/// The transposed panels that are kept.
///
/// Those of the encoder, whose products have many rows. The decoder's and the head's have few, and read each weight
/// once: there transposing as one goes costs little, and saves the memory.
final class TransposedPanels {
    private let cpu: pp_cpu
    private let pool: WorkerPool
    private let headWidth: Int
    /// What holds the panels.
    private(set) var buffers: [AlignedBuffer] = []

    init(cpu: pp_cpu, pool: WorkerPool, headWidth: Int) {
        self.cpu = cpu
        self.pool = pool
        self.headWidth = headWidth
    }

    /// A matrix with its transposed panels kept.
    func keeping(_ matrix: PackedMatrix) -> BFloat16Matrix {
        let bare = BFloat16Matrix(forward: matrix, back: nil, backOfHead: [])
        return BFloat16Matrix(
            forward: matrix, back: transpose(matrix, first: 0, outputs: bare.outputs, bare.backPanelCount),
            backOfHead: [])
    }

    /// A matrix whose panels are transposed at each product.
    func bare(_ matrix: PackedMatrix) -> BFloat16Matrix {
        BFloat16Matrix(forward: matrix, back: nil, backOfHead: [])
    }

    /// The matrix of cross-attention's keys and values, with each head's transposed panels kept by themselves.
    func byHead(_ matrix: PackedMatrix) -> BFloat16Matrix {
        let bare = bare(matrix)
        guard headWidth % Int(PP_PANEL) == 0 else { return bare }
        let heads = (0..<matrix.columns / headWidth).map { head in
            transpose(
                matrix, first: head * headWidth / Int(PP_PANEL), outputs: headWidth, bare.backPanelCount)
        }
        return BFloat16Matrix(forward: matrix, back: nil, backOfHead: heads)
    }

    /// Transposes `outputs` of a matrix's outputs from a panel on.
    private func transpose(
        _ matrix: PackedMatrix, first: Int, outputs: Int, _ panels: Int
    ) -> UnsafePointer<UInt16> {
        let buffer = AlignedBuffer(panels * pp_panel_bf16(outputs), of: UInt16.self)
        let out: UnsafeMutablePointer<UInt16> = buffer.elements()
        let source = (matrix.panels + first * matrix.panelSize).assumingMemoryBound(to: UInt16.self)
        pool.ranges(of: panels) { range in
            withUnsafePointer(to: cpu) { cpu in
                pp_transpose_bf16(
                    cpu, source, matrix.depth, outputs, range.lowerBound, range.upperBound,
                    out + range.lowerBound * pp_panel_bf16(outputs))
            }
        }
        buffers.append(buffer)
        return UnsafePointer(out)
    }
}

extension CoreMatrices<BFloat16Matrix> {
    /// A core's packed matrices and their transposed panels, which `panels` keeps.
    init(_ weights: PackedWeights, _ panels: TransposedPanels) {
        let folded = NormGain(nil)
        encoder = weights.encoder.map { layer in
            EncoderLayer(
                attention: SelfAttention(
                    norm: folded, qkv: panels.keeping(layer.qkv), o: panels.keeping(layer.o)),
                feedForward: FeedForward(
                    norm: folded, wi: panels.keeping(layer.feedForward.wi),
                    wo: panels.keeping(layer.feedForward.wo)))
        }
        decoder = weights.decoder.map { layer in
            DecoderLayer(
                attention: SelfAttention(norm: folded, qkv: panels.bare(layer.qkv), o: panels.bare(layer.o)),
                crossAttention: CrossAttention(
                    norm: folded, q: panels.bare(layer.crossQ), keysValues: panels.byHead(layer.crossKV),
                    o: panels.bare(layer.crossO)),
                feedForward: FeedForward(
                    norm: folded, wi: panels.bare(layer.feedForward.wi), wo: panels.bare(layer.feedForward.wo)
                ))
        }
        encoderNorm = NormGain(weights.encoderNorm)
        decoderNorm = NormGain(weights.decoderNorm)
        head = panels.bare(weights.head)
        headScale = weights.headScale
    }
}
