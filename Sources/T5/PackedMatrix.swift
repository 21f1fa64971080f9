import CKernels
import Tensors

/// How a packed core holds its matrices.
package enum PackedPrecision: String, Sendable {
    /// bfloat16 weights and activations.
    case bfloat16
    /// int8 weights with a scale for each output channel, int8 activations with a scale for each row.
    case int8
}

/// One GEMM's weights in panels of 16 output channels (see `pack.h`), from one or more checkpoint matrices.
package struct PackedMatrix: Sendable {
    /// How the kernels read it.
    package let precision: PackedPrecision
    /// Depth: the width of its input rows.
    package let depth: Int
    /// Output columns that exist; for a gated product the number of gated outputs.
    package let columns: Int
    package let panelCount: Int
    /// Whether gate and up panels alternate.
    package let isGated: Bool
    /// Safe to share: nobody writes to them once they are packed, and the arena that holds them outlives every
    /// use (the core owns it).
    package nonisolated(unsafe) let panels: UnsafeRawPointer
    package nonisolated(unsafe) let columnScales: UnsafePointer<Float>?
    package nonisolated(unsafe) let columnSums: UnsafePointer<Int32>?

    /// Bytes of a panel.
    package var panelSize: Int {
        precision == .bfloat16 ? 2 * pp_panel_bf16(depth) : pp_panel_int8(depth)
    }
}

/// What one packed matrix is made of, and where it lies in the arena.
struct PackedMatrixPlan {
    let precision: PackedPrecision
    let sources: [StoredTensor]
    /// Gains of the RMSNorm before it, multiplied into the weights; bfloat16 only.
    let gain: FloatTensor?
    let isGated: Bool
    /// Bytes from the arena's start.
    let offset: Int

    var depth: Int { sources[0].shape[1] }

    private var outputs: Int { sources.reduce(0) { $0 + $1.shape[0] } }

    var panelCount: Int {
        let panel = Int(PP_PANEL)
        return isGated
            ? sources.reduce(0) { $0 + ($1.shape[0] + panel - 1) / panel } : (outputs + panel - 1) / panel
    }

    private var panelBytes: Int {
        panelCount * (precision == .bfloat16 ? 2 * pp_panel_bf16(depth) : pp_panel_int8(depth))
    }

    private var channelCount: Int { panelCount * Int(PP_PANEL) }

    /// Bytes in the arena, a multiple of 64.
    var size: Int { panelBytes + (precision == .int8 ? channelCount * 8 : 0) }

    /// The matrix as it lies in an arena.
    func matrix(in arena: UnsafeRawPointer) -> PackedMatrix {
        let start = arena + offset
        let scales = (start + panelBytes).assumingMemoryBound(to: Float.self)
        let sums = (start + panelBytes + channelCount * 4).assumingMemoryBound(to: Int32.self)
        return PackedMatrix(
            precision: precision, depth: depth, columns: isGated ? outputs / 2 : outputs,
            panelCount: panelCount,
            isGated: isGated, panels: start, columnScales: precision == .int8 ? scales : nil,
            columnSums: precision == .int8 ? sums : nil)
    }

    /// Packs the sources into an arena, its panels spread over the pool's threads.
    func pack(into arena: UnsafeMutableRawPointer, pool: WorkerPool) {
        // A matrix at an odd offset of its file is widened into memory of its own, which is aligned.
        let copies = sources.map { $0.isAligned ? nil : $0.floats() }
        let matrices = zip(sources, copies).map { source, copy in
            pp_matrix(
                data: copy.map { UnsafeRawPointer($0.pointer) } ?? source.bytes.baseAddress,
                rows: source.shape[0], ld: depth, type: copy == nil ? source.elementType.kernelType : PP_F32)
        }
        let arrangement = isGated ? PP_INTERLEAVED : PP_CONCATENATED
        let start = arena + offset
        pool.ranges(of: panelCount, grain: 2) { range in
            withExtendedLifetime(copies) {
                switch precision {
                case .bfloat16:
                    pp_pack_bf16(
                        matrices, matrices.count, arrangement, depth, gain?.pointer, range.lowerBound,
                        range.upperBound, start.assumingMemoryBound(to: UInt16.self))
                case .int8:
                    pp_pack_int8(
                        matrices, matrices.count, arrangement, depth, gain?.pointer, range.lowerBound,
                        range.upperBound, start.assumingMemoryBound(to: Int8.self),
                        (start + panelBytes).assumingMemoryBound(to: Float.self),
                        (start + panelBytes + channelCount * 4).assumingMemoryBound(to: Int32.self))
                }
            }
        }
    }
}

extension StoredElementType {
    fileprivate var kernelType: pp_type {
        switch self {
        case .float32: PP_F32
        case .float16: PP_F16
        case .bfloat16: PP_BF16
        }
    }
}
