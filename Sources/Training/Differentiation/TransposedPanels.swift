import Basics
import CKernels
import T5
import Tensors

/// The transposed panels of a core's bfloat16 matrices that are kept for the way back.
///
/// Those of the encoder, whose products have many rows. The decoder's and the head's have few, and read each weight
/// once: there transposing as one goes costs little, and saves the memory.
final class TransposedPanels {
    private let pool: WorkerPool
    /// What holds the panels.
    private var buffers: [AlignedBuffer] = []
    /// By where the matrix's panels begin.
    private var matrices: [UnsafeRawPointer: PackedPanels] = [:]
    private var values: [UnsafeRawPointer: PackedPanels] = [:]

    init(
        _ weights: T5Weights<PackedMatrix, FloatTensor>, configuration: T5Configuration, pool: WorkerPool
    ) {
        self.pool = pool
        for layer in weights.encoder {
            for matrix in [
                layer.attention.qkv, layer.attention.o, layer.feedForward.wi, layer.feedForward.wo,
            ] {
                matrices[matrix.panels.start] = transpose(
                    matrix.slices.map { (panels: $0, first: 0) }, outputs: matrix.panels.wideColumns)
            }
        }
        let headWidth = configuration.headWidth
        for matrix in weights.decoder.map(\.crossAttention.kv) {
            guard let absorbed = matrix.absorbed else { continue }
            values[matrix.panels.start] = transpose(
                (0..<configuration.heads).map { head in
                    (absorbed.values, absorbed.firstValuePanel + head * headWidth / Int(PP_PANEL))
                }, outputs: headWidth)
        }
    }

    /// A matrix transposed, if it is kept.
    func kept(_ matrix: PackedMatrix) -> PackedPanels? { matrices[matrix.panels.start] }

    /// Of cross-attention's keys and values each head's part of the values' matrix transposed, head after head.
    func values(_ keysValues: PackedMatrix) -> PackedPanels? { values[keysValues.panels.start] }

    /// Panels of a transposed matrix. All slices but the last fill theirs.
    static func panelCount(_ matrix: PackedPanels) -> Int {
        (matrix.depth + Int(PP_PANEL) - 1) / Int(PP_PANEL)
    }

    /// Transposes `outputs` of each matrix's outputs from a panel on.
    private func transpose(_ parts: [(panels: PackedPanels, first: Int)], outputs: Int) -> PackedPanels {
        let size = pp_panel_bf16(outputs)
        let panels = parts.reduce(0) { $0 + Self.panelCount($1.panels) }
        let buffer = AlignedBuffer(panels * size, of: UInt16.self)
        buffers.append(buffer)
        var out: UnsafeMutablePointer<UInt16> = buffer.elements()
        for (part, first) in parts {
            let source = part.from(panel: first).assumingMemoryBound(to: UInt16.self)
            let (panels, start) = (Self.panelCount(part), out)
            pool.ranges(of: panels) { range in
                pp_transpose_bf16(
                    pool.kernels, source, part.depth, outputs, range.lowerBound, range.upperBound,
                    start + range.lowerBound * size)
            }
            out += panels * size
        }
        return PackedPanels(
            precision: .bfloat16, depth: outputs, columns: parts.reduce(0) { $0 + $1.panels.depth },
            panelCount: panels, start: UnsafeRawPointer(buffer.pointer))
    }
}
