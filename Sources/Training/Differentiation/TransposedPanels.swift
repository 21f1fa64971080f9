import CKernels
import T5
import Tensors

/// A bfloat16 matrix in panels (see `pack.h`), as the core serves with it, and transposed for the way back.
///
/// The panels of products that follow an RMSNorm have its gain folded in, and so have the transposed ones: on the way
/// back the norm has no gain.
struct BFloat16Matrix {
    /// Parts with some of the inputs each: more than one of the feed-forward layer's second matrix only.
    let parts: [PackedMatrix]
    /// The transposed matrix's panels; `nil` where a product transposes them as it goes. Their owner is the
    /// arithmetic's arena.
    let back: UnsafePointer<UInt16>?
    /// Of cross-attention's keys and values: the transposed panels of each head alone, the values' after the keys'.
    let backOfHead: [UnsafePointer<UInt16>]

    /// A matrix that is in one part.
    var forward: PackedMatrix { parts[0] }

    /// Inputs of all parts.
    var depth: Int { parts.reduce(0) { $0 + $1.depth } }

    /// Columns of the product's output as its rows lie in memory: with padding where gate and up alternate.
    var outputs: Int { forward.isGated ? forward.panelCount * Int(PP_PANEL) : forward.columns }

    /// Panels of the transposed matrix.
    var backPanelCount: Int { parts.reduce(0) { $0 + Self.backPanelCount($1) } }

    /// Panels of a transposed part. All parts but the last fill theirs.
    static func backPanelCount(_ part: PackedMatrix) -> Int {
        (part.depth + Int(PP_PANEL) - 1) / Int(PP_PANEL)
    }
}

/// The transposed panels that are kept.
///
/// Those of the encoder, whose products have many rows. The decoder's and the head's have few, and read each weight
/// once: there transposing as one goes costs little, and saves the memory.
final class TransposedPanels {
    private let kernels: UnsafePointer<pp_kernels>
    private let pool: WorkerPool
    private let headWidth: Int
    /// What holds the panels.
    private(set) var buffers: [AlignedBuffer] = []

    init(kernels: UnsafePointer<pp_kernels>, pool: WorkerPool, headWidth: Int) {
        self.kernels = kernels
        self.pool = pool
        self.headWidth = headWidth
    }

    /// A matrix with its transposed panels kept.
    func keeping(_ parts: PackedMatrix...) -> BFloat16Matrix { keeping(parts) }

    /// A matrix in parts, with its transposed panels kept.
    func keeping(_ parts: [PackedMatrix]) -> BFloat16Matrix {
        let bare = bare(parts)
        return BFloat16Matrix(
            parts: parts, back: transpose(parts, first: 0, outputs: bare.outputs), backOfHead: [])
    }

    /// A matrix whose panels are transposed at each product.
    func bare(_ parts: PackedMatrix...) -> BFloat16Matrix { bare(parts) }

    /// A matrix in parts whose panels are transposed at each product.
    func bare(_ parts: [PackedMatrix]) -> BFloat16Matrix {
        BFloat16Matrix(parts: parts, back: nil, backOfHead: [])
    }

    /// The matrix of cross-attention's keys and values, with each head's transposed panels kept by themselves.
    func byHead(_ matrix: PackedMatrix) -> BFloat16Matrix {
        let bare = bare(matrix)
        guard headWidth % Int(PP_PANEL) == 0 else { return bare }
        let heads = (0..<matrix.columns / headWidth).map { head in
            transpose([matrix], first: head * headWidth / Int(PP_PANEL), outputs: headWidth)
        }
        return BFloat16Matrix(parts: bare.parts, back: nil, backOfHead: heads)
    }

    /// Transposes `outputs` of a matrix's outputs from a panel on.
    private func transpose(
        _ parts: [PackedMatrix], first: Int, outputs: Int
    ) -> UnsafePointer<UInt16> {
        let size = pp_panel_bf16(outputs)
        let panels = parts.reduce(0) { $0 + BFloat16Matrix.backPanelCount($1) }
        let buffer = AlignedBuffer(panels * size, of: UInt16.self)
        var out: UnsafeMutablePointer<UInt16> = buffer.elements()
        for part in parts {
            let source = (part.panels + first * part.panelSize).assumingMemoryBound(to: UInt16.self)
            let (panels, start) = (BFloat16Matrix.backPanelCount(part), out)
            pool.ranges(of: panels) { range in
                pp_transpose_bf16(
                    kernels, source, part.depth, outputs, range.lowerBound, range.upperBound,
                    start + range.lowerBound * size)
            }
            out += panels * size
        }
        buffers.append(buffer)
        return UnsafePointer(buffer.elements())
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
