import Basics
import CKernels
import Tensors

/// How a packed core holds its matrices.
package enum PackedPrecision: String, Sendable {
    /// bfloat16 weights and activations.
    case bfloat16
    /// int8 weights with a scale for each output channel, int8 activations with a scale for each row.
    case int8
}

/// A matrix in panels of 16 output channels (see `pack.h`), from one or more checkpoint matrices.
package struct PackedPanels: Sendable {
    /// How the kernels read it.
    package let precision: PackedPrecision
    /// Width of its input rows.
    package let depth: Int
    /// Output columns that exist; for a gated product the number of gated outputs.
    package let columns: Int
    package let panelCount: Int
    /// Whether gate and up panels alternate.
    package let isGated: Bool
    /// Safe to share: nobody writes to them once they are packed, and the arena that holds them outlives every
    /// use (the core owns it).
    package nonisolated(unsafe) let start: UnsafeRawPointer
    package nonisolated(unsafe) let columnScales: UnsafePointer<Float>?
    package nonisolated(unsafe) let columnSums: UnsafePointer<Int32>?

    package init(
        precision: PackedPrecision, depth: Int, columns: Int, panelCount: Int, isGated: Bool = false,
        start: UnsafeRawPointer, columnScales: UnsafePointer<Float>? = nil,
        columnSums: UnsafePointer<Int32>? = nil
    ) {
        self.precision = precision
        self.depth = depth
        self.columns = columns
        self.panelCount = panelCount
        self.isGated = isGated
        self.start = start
        self.columnScales = columnScales
        self.columnSums = columnSums
    }

    /// Bytes of a panel.
    package var panelSize: Int {
        precision == .bfloat16 ? 2 * pp_panel_bf16(depth) : pp_panel_int8(depth)
    }

    /// Columns of the product's output as its rows lie in memory before a gate is applied: with padding where gate and
    /// up alternate.
    package var wideColumns: Int { isGated ? panelCount * Int(PP_PANEL) : columns }

    /// The panels of some columns, which start at a panel's first column.
    func panels(of columns: Range<Int>) -> Range<Int> {
        let panel = Int(PP_PANEL)
        let perColumns = isGated ? 2 : 1
        return columns.lowerBound / panel * perColumns..<(columns.upperBound + panel - 1) / panel * perColumns
    }

    /// Where a panel begins.
    package func from(panel: Int) -> UnsafeRawPointer { start + panel * panelSize }
}

/// A core's matrix as the fast modes multiply with it.
package struct PackedMatrix: Sendable {
    /// Parts with some of the inputs each, which are added: more than one of the feed-forward layer's second matrix
    /// only. Between the two products of a slice hundreds of rows stay in the cache.
    package let slices: [PackedPanels]
    /// Of the matrix of cross-attention's keys and values: how it is applied to the decoder's rows instead. `nil` where
    /// heads do not fill whole panels.
    package let absorbed: AbsorbedKeysValues?

    init(_ slices: [PackedPanels], absorbed: AbsorbedKeysValues? = nil) {
        self.slices = slices
        self.absorbed = absorbed
    }

    /// A matrix that is in one slice.
    package var panels: PackedPanels { slices[0] }
}

/// The matrices that make keys and values, on the decoder's side, in bfloat16.
package struct AbsorbedKeysValues: Sendable {
    /// Each head's part of the keys' matrix transposed, head after head: `[heads × d_model, d_kv]`.
    package let transposedKeys: PackedPanels
    /// The matrix that has the values' columns, and the panel where they begin.
    package let values: PackedPanels
    package let firstValuePanel: Int
}

/// A part of a checkpoint's matrix.
enum MatrixPart {
    /// Some of its inputs (columns), of all outputs.
    case inputs(StoredTensor, Range<Int>)
    /// Some of its outputs (rows), transposed: they become the inputs.
    case transposed(StoredTensor, Range<Int>)

    /// The whole matrix.
    init(_ tensor: StoredTensor) { self = .inputs(tensor, 0..<tensor.shape[1]) }

    /// Outputs.
    var rows: Int {
        switch self {
        case .inputs(let tensor, _): tensor.shape[0]
        case .transposed(let tensor, _): tensor.shape[1]
        }
    }

    /// Inputs.
    var depth: Int {
        switch self {
        case .inputs(_, let range), .transposed(_, let range): range.count
        }
    }

    /// What it says about the arena.
    var layout: String {
        switch self {
        case .inputs(_, let range): "\(rows)x\(range.lowerBound)..<\(range.upperBound)"
        case .transposed(_, let range): "\(rows)x\(range.lowerBound)..<\(range.upperBound) transposed"
        }
    }

    /// Hands out the part as the packing kernels read it. Where a matrix is transposed, or lies at an odd offset of
    /// its file, it is first widened into memory of its own.
    func withKernelMatrix(_ body: (pp_matrix) -> Void) {
        switch self {
        case .inputs(let tensor, let range):
            let width = tensor.shape[1]
            let copy = tensor.isAligned ? nil : tensor.floats()
            let type = copy == nil ? tensor.elementType : .float32
            let data = copy.map { UnsafeRawPointer($0.pointer) } ?? tensor.bytes.baseAddress
            withExtendedLifetime(copy) {
                body(
                    pp_matrix(
                        data: data.map { $0 + range.lowerBound * type.size }, rows: rows, ld: width,
                        type: type.kernelType))
            }
        case .transposed(let tensor, let range):
            let values = tensor.floats()
            let copy = AlignedBuffer(rows * depth, of: Float.self)
            let out: UnsafeMutablePointer<Float> = copy.elements()
            for row in 0..<rows {
                for (column, source) in range.enumerated() {
                    out[row * depth + column] = values.pointer[source * rows + row]
                }
            }
            withExtendedLifetime(copy) {
                body(
                    pp_matrix(data: UnsafeRawPointer(out), rows: rows, ld: depth, type: PP_F32))
            }
        }
    }
}

/// What one packed matrix is made of, and where it lies in the arena.
struct PackedPanelsPlan {
    let precision: PackedPrecision
    let sources: [MatrixPart]
    /// Gains of the RMSNorm before it, multiplied into the weights; bfloat16 only.
    let gain: FloatTensor?
    let isGated: Bool
    /// Bytes from the arena's start.
    let offset: Int

    var depth: Int { sources[0].depth }

    private var outputs: Int { sources.reduce(0) { $0 + $1.rows } }

    var panelCount: Int {
        let panel = Int(PP_PANEL)
        return isGated
            ? sources.reduce(0) { $0 + ($1.rows + panel - 1) / panel } : (outputs + panel - 1) / panel
    }

    private var panelBytes: Int {
        panelCount * (precision == .bfloat16 ? 2 * pp_panel_bf16(depth) : pp_panel_int8(depth))
    }

    private var channelCount: Int { panelCount * Int(PP_PANEL) }

    /// Bytes in the arena, a multiple of 64.
    var size: Int { panelBytes + (precision == .int8 ? channelCount * 8 : 0) }

    /// What it says about the arena: two plans with equal texts read the same from it.
    var layout: String {
        return "\(offset) \(precision.rawValue) \(sources.map(\.layout).joined(separator: " "))"
            + (gain == nil ? "" : " gain") + (isGated ? " gated" : "")
    }

    /// The matrix as it lies in an arena.
    func panels(in arena: UnsafeRawPointer) -> PackedPanels {
        let start = arena + offset
        let scales = (start + panelBytes).assumingMemoryBound(to: Float.self)
        let sums = (start + panelBytes + channelCount * 4).assumingMemoryBound(to: Int32.self)
        return PackedPanels(
            precision: precision, depth: depth, columns: isGated ? outputs / 2 : outputs,
            panelCount: panelCount,
            isGated: isGated, start: start, columnScales: precision == .int8 ? scales : nil,
            columnSums: precision == .int8 ? sums : nil)
    }

    /// Packs the sources into an arena, its panels spread over the pool's threads.
    func pack(into arena: UnsafeMutableRawPointer, pool: WorkerPool) {
        withKernelMatrices(sources[...], []) { pack($0, into: arena + offset, pool: pool) }
    }

    private func withKernelMatrices(
        _ parts: ArraySlice<MatrixPart>, _ matrices: [pp_matrix], _ body: ([pp_matrix]) -> Void
    ) {
        guard let first = parts.first else { return body(matrices) }
        first.withKernelMatrix { withKernelMatrices(parts.dropFirst(), matrices + [$0], body) }
    }

    private func pack(_ matrices: [pp_matrix], into start: UnsafeMutableRawPointer, pool: WorkerPool) {
        let arrangement = isGated ? PP_INTERLEAVED : PP_CONCATENATED
        pool.ranges(of: panelCount, grain: 2) { range in
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

extension ElementType {
    fileprivate var kernelType: pp_type {
        switch self {
        case .float32: PP_F32
        case .float16: PP_F16
        case .bfloat16: PP_BF16
        }
    }
}
