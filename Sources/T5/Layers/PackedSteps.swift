import CKernels
import Tensors

/// Scratch memory of one thread.
///
/// A class, so that it can be lent and given back without a copy; only the thread it is lent to touches it.
final class Workspace: @unchecked Sendable {
    var rows = Scratch()
    var scales = Scratch()
    var quantized = Scratch()
    var quantizedScales = Scratch()
    var qkv = Scratch()
    var context = Scratch()
    var hidden = Scratch()
    var attention = Scratch()
    var directQueries = Scratch()
    var directContext = Scratch()
}

/// Rows as the kernels read them: bfloat16 or int8, `rowSize` bytes from one to the next, with a scale for each.
private struct GemmInput {
    let rows: UnsafeMutableRawPointer
    let rowSize: Int
    let scales: UnsafeMutablePointer<Float>?
}

/// The steps between which the residual stream is float32.
extension PackedLayers {
    /// Elements of bfloat16 from one row of that width to the next, spaced as the kernels like it.
    func stride(_ width: Int) -> Int { pp_row_stride(2 * width) / 2 }

    /// `x = RMSNorm(x)` in float32: what leaves a stack.
    func normalize(
        _ x: UnsafeMutablePointer<Float>, _ rows: Int, _ gain: FloatTensor, scale: Float = 1, _ team: Team
    ) {
        let d = configuration.modelWidth
        let epsilon = configuration.layerNormEpsilon
        team.split(rows, grain: 8) { range in
            let start = x + range.lowerBound * d
            pp_f32_rms_norm(kernels, start, d, gain.pointer, epsilon, scale, range.count, d, start, d)
        }
    }

    /// `x += FeedForward(RMSNorm(x))`
    func feedForward(
        _ x: UnsafeMutablePointer<Float>, _ rows: Int, _ layer: PackedWeights.FeedForward, _ team: Team,
        _ workspace: Workspace
    ) {
        let d = configuration.modelWidth
        let input = normalized(x, rows, layer.norm, layer.wi.precision, team, workspace)
        var first = 0
        for wo in layer.wo {
            let width = stride(wo.depth)
            let hidden: UnsafeMutablePointer<UInt16> = workspace.hidden.reserve(rows * width)
            let columns = first..<first + wo.depth
            multiply(input, rows, layer.wi, columns: columns, team) { gemm in
                gemm.epilogue = layer.wi.isGated ? PP_GATED_GELU_BF16 : PP_RELU_BF16
                // Column 0 of the whole product, before the memory that holds these columns.
                gemm.bf16 = hidden - first
                gemm.ld_bf16 = width
            }
            multiply(hidden, width, rows, wo, team, workspace) { gemm in
                gemm.epilogue = PP_ADD_F32
                gemm.f32 = x
                gemm.ld_f32 = d
            }
            first = columns.upperBound
        }
    }

    /// The product of RMSNorm(x) with a matrix.
    func multiplyNormalized(
        _ x: UnsafeMutablePointer<Float>, _ rows: Int, _ gain: FloatTensor, _ matrix: PackedMatrix,
        _ team: Team, _ workspace: Workspace, _ configure: (inout pp_gemm) -> Void
    ) {
        let input = normalized(x, rows, gain, matrix.precision, team, workspace)
        multiply(input, rows, matrix, team, configure)
    }

    /// RMSNorm(x) as the input of products. In bfloat16 the norm's gain is in their matrices and its factor a
    /// scale of their rows; in int8 rows are normalised and quantised in one go.
    private func normalized(
        _ x: UnsafeMutablePointer<Float>, _ rows: Int, _ gain: FloatTensor, _ precision: PackedPrecision,
        _ team: Team, _ workspace: Workspace
    ) -> GemmInput {
        let d = configuration.modelWidth
        let epsilon = configuration.layerNormEpsilon
        let scales: UnsafeMutablePointer<Float> = workspace.scales.reserve(rows)
        let rowSize = pp_row_stride(precision == .bfloat16 ? 2 * d : d)
        let cast: UnsafeMutablePointer<UInt8> = workspace.rows.reserve(rows * rowSize)
        team.split(rows, grain: 8) { range in
            let start = x + range.lowerBound * d
            let out = UnsafeMutableRawPointer(cast + range.lowerBound * rowSize)
            switch precision {
            case .bfloat16:
                pp_rms_cast_bf16(
                    kernels, range.count, d, start, d, epsilon, out.assumingMemoryBound(to: UInt16.self),
                    rowSize / 2, scales + range.lowerBound)
            case .int8:
                pp_rms_quant_int8(
                    kernels, range.count, d, start, d, gain.pointer, epsilon,
                    out.assumingMemoryBound(to: Int8.self), rowSize, scales + range.lowerBound)
            }
        }
        return GemmInput(rows: cast, rowSize: rowSize, scales: scales)
    }

    /// The product of bfloat16 rows with a matrix; for int8 the rows are quantised first.
    func multiply(
        _ x: UnsafeMutablePointer<UInt16>, _ xStride: Int, _ rows: Int, _ matrix: PackedMatrix, _ team: Team,
        _ workspace: Workspace, _ configure: (inout pp_gemm) -> Void
    ) {
        guard matrix.precision == .int8 else {
            multiply(GemmInput(rows: x, rowSize: 2 * xStride, scales: nil), rows, matrix, team, configure)
            return
        }
        let rowSize = pp_row_stride(matrix.depth)
        let quantized: UnsafeMutablePointer<Int8> = workspace.quantized.reserve(rows * rowSize)
        let scales: UnsafeMutablePointer<Float> = workspace.quantizedScales.reserve(rows)
        team.split(rows, grain: 8) { range in
            pp_quant_int8(
                kernels, range.count, matrix.depth, x + range.lowerBound * xStride, xStride,
                quantized + range.lowerBound * rowSize, rowSize, scales + range.lowerBound)
        }
        let input = GemmInput(rows: quantized, rowSize: rowSize, scales: scales)
        multiply(input, rows, matrix, team, configure)
    }

    /// - Parameter columns: Of the product, starting at a panel's first; `nil` for all.
    private func multiply(
        _ input: GemmInput, _ rows: Int, _ matrix: PackedMatrix, columns: Range<Int>? = nil, _ team: Team,
        _ configure: (inout pp_gemm) -> Void
    ) {
        var gemm = gemm(input, matrix)
        configure(&gemm)
        let panels = columns.map(matrix.panels(of:)) ?? 0..<matrix.panelCount
        // Many rows are split by rows, which leaves each thread its rows in its cache; few by panels, so that
        // each weight is read by one thread only.
        if let pool = team.pool, rows >= 64 * pool.threadCount {
            team.split(rows, grain: 16) { run(gemm, matrix, $0, panels) }
        } else {
            team.split(panels.count, grain: 2) { part in
                let first = panels.lowerBound
                run(gemm, matrix, 0..<rows, first + part.lowerBound..<first + part.upperBound)
            }
        }
    }

    private func gemm(_ input: GemmInput, _ matrix: PackedMatrix) -> pp_gemm {
        var gemm = pp_gemm()
        gemm.a = UnsafeRawPointer(input.rows)
        gemm.lda = matrix.precision == .bfloat16 ? input.rowSize / 2 : input.rowSize
        gemm.panels = matrix.panels
        gemm.column_scale = matrix.columnScales
        gemm.column_sum = matrix.columnSums
        gemm.row_scale = UnsafePointer(input.scales)
        gemm.k = matrix.depth
        gemm.columns = matrix.columns
        return gemm
    }

    /// Runs a part of a product on the calling thread.
    func run(_ gemm: pp_gemm, _ matrix: PackedMatrix, _ rows: Range<Int>, _ panels: Range<Int>) {
        withUnsafePointer(to: gemm) { gemm in
            switch matrix.precision {
            case .bfloat16:
                pp_gemm_bf16(
                    kernels, gemm, rows.lowerBound, rows.upperBound, panels.lowerBound, panels.upperBound)
            case .int8:
                pp_gemm_int8(
                    kernels, gemm, rows.lowerBound, rows.upperBound, panels.lowerBound, panels.upperBound)
            }
        }
    }

    /// Prepares the LM head's product with decoder output rows and hands it to `run`.
    func multiplyHead(
        _ hidden: UnsafePointer<Float>, _ rows: Int, _ workspace: Workspace,
        configure: (inout pp_gemm) -> Void, run: (pp_gemm) -> Void
    ) {
        let d = configuration.modelWidth
        let head = weights.head
        let rowSize = pp_row_stride(2 * d)
        let cast: UnsafeMutablePointer<UInt16> = workspace.hidden.reserve(rows * rowSize / 2)
        let scales: UnsafeMutablePointer<Float> = workspace.scales.reserve(rows)
        let quantized: UnsafeMutablePointer<Int8> = workspace.rows.reserve(rows * rowSize)
        for row in 0..<rows { pp_f32_to_bf16(kernels, d, hidden + row * d, cast + row * rowSize / 2) }
        if head.precision == .int8 {
            pp_quant_int8(kernels, rows, d, cast, rowSize / 2, quantized, rowSize, scales)
        }
        let input =
            head.precision == .bfloat16
            ? GemmInput(rows: cast, rowSize: rowSize, scales: nil)
            : GemmInput(rows: quantized, rowSize: rowSize, scales: scales)
        var gemm = gemm(input, head)
        configure(&gemm)
        run(gemm)
    }
}
