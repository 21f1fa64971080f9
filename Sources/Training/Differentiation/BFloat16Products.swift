import CKernels
import T5
import Tensors

/// The products in bfloat16, forward with the serving panels and back with transposed ones.
extension BFloat16Arithmetic {
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
            pp_rms_cast_bf16(
                kernels, range.count, d, x.row(range.lowerBound), x.stride, configuration.layerNormEpsilon,
                cast.row(range.lowerBound), spacing, scales + range.lowerBound)
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
        var first = 0
        for piece in matrix.parts {
            var gemm = forward(Rows(start: a.start + first, stride: a.stride), piece, outputs: matrix.outputs)
            gemm.epilogue = PP_ADD_F32
            gemm.f32 = x.start
            gemm.ld_f32 = x.stride
            run(gemm, part.count, piece.panelCount, part.team)
            first += piece.depth
        }
    }

    func multiplyBack(_ g: Rows<UInt16>, _ matrix: BFloat16Matrix, into out: Rows<UInt16>, _ part: Part) {
        runBack(g, part.count, matrix, part.team) { gemm, column in
            gemm.epilogue = PP_STORE_BF16
            gemm.bf16 = out.start + column
            gemm.ld_bf16 = out.stride
        }
    }

    func multiplyBack(
        _ g: Rows<UInt16>, _ count: Int, _ matrix: BFloat16Matrix, into out: Rows<Float>, adding: Bool,
        _ part: Part
    ) {
        runBack(g, count, matrix, part.team) { gemm, column in
            gemm.epilogue = adding ? PP_ADD_F32 : PP_STORE_F32
            gemm.f32 = out.start + column
            gemm.ld_f32 = out.stride
        }
    }

    /// Runs the product with the transposed matrix.
    ///
    /// - Parameter configure: Given the column that the product's first one is in the output.
    private func runBack(
        _ g: Rows<UInt16>, _ rows: Int, _ matrix: BFloat16Matrix, _ team: Team,
        _ configure: (inout pp_gemm, Int) -> Void
    ) {
        var gemm = pp_gemm()
        gemm.a = UnsafeRawPointer(g.start)
        gemm.lda = g.stride
        gemm.k = matrix.outputs
        gemm.columns = matrix.depth
        if let back = matrix.back {
            gemm.panels = UnsafeRawPointer(back)
            configure(&gemm, 0)
            run(gemm, rows, matrix.backPanelCount, team)
            return
        }
        var column = 0
        for piece in matrix.parts {
            let base = column
            gemm.columns = piece.depth
            runTransposing(gemm, rows, piece, outputs: matrix.outputs, team) { configure(&$0, base + $1) }
            column += piece.depth
        }
    }

    /// Runs the product with a part of a transposed matrix, a few panels at a time, so that they are still in the cache
    /// when they are multiplied with.
    private func runTransposing(
        _ gemm: pp_gemm, _ rows: Int, _ piece: PackedMatrix, outputs: Int, _ team: Team,
        _ configure: (inout pp_gemm, Int) -> Void
    ) {
        let size = pp_panel_bf16(outputs)
        let chunk = max(1, Self.transposedElements / size / 2) * 2
        let source = piece.panels.assumingMemoryBound(to: UInt16.self)
        team.split(BFloat16Matrix.backPanelCount(piece), grain: 2) { range in
            attention.lend { workspace in
                let panels: UnsafeMutablePointer<UInt16> = workspace.attention.reserve(
                    min(chunk, range.count) * size)
                for first in stride(from: range.lowerBound, to: range.upperBound, by: chunk) {
                    let last = min(first + chunk, range.upperBound)
                    var part = gemm
                    part.panels = UnsafeRawPointer(panels)
                    part.columns = gemm.columns - first * Int(PP_PANEL)
                    configure(&part, first * Int(PP_PANEL))
                    pp_transpose_bf16(kernels, source, piece.depth, outputs, first, last, panels)
                    pp_gemm_bf16(kernels, &part, 0, rows, 0, last - first)
                }
            }
        }
    }

    /// Elements of panels that are transposed at a time.
    private static let transposedElements = 1 << 17

    private func forward(_ a: Rows<UInt16>, _ matrix: BFloat16Matrix) -> pp_gemm {
        forward(a, matrix.forward, outputs: matrix.outputs)
    }

    private func forward(_ a: Rows<UInt16>, _ matrix: PackedMatrix, outputs: Int) -> pp_gemm {
        var gemm = pp_gemm()
        gemm.a = UnsafeRawPointer(a.start)
        gemm.lda = a.stride
        gemm.panels = matrix.panels
        gemm.k = matrix.depth
        gemm.columns = outputs
        return gemm
    }

    /// Many rows are split by rows, which leaves each thread its rows in its cache; few by panels, so that each weight
    /// is read by one thread only.
    private func run(_ gemm: pp_gemm, _ rows: Int, _ panels: Int, _ team: Team) {
        let byRows = rows >= 64 * team.threadCount
        team.split(byRows ? rows : panels, grain: byRows ? 16 : 2) { range in
            withUnsafePointer(to: gemm) { gemm in
                if byRows {
                    pp_gemm_bf16(kernels, gemm, range.lowerBound, range.upperBound, 0, panels)
                } else {
                    pp_gemm_bf16(kernels, gemm, 0, rows, range.lowerBound, range.upperBound)
                }
            }
        }
    }

    // MARK: Head

    func roundForHead(_ hidden: Rows<Float>, _ count: Int) {
        round(hidden.start, count * hidden.stride)
    }

    func headRow(_ id: Int32, into row: UnsafeMutablePointer<Float>) {
        core.head.widenRow(Int(id), into: row)
        round(row, configuration.modelWidth)
    }

    /// To bfloat16's nearest.
    private func round(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
        withUnsafeTemporaryAllocation(of: UInt16.self, capacity: count) { rounded in
            guard let start = rounded.baseAddress else { return }
            pp_f32_to_bf16(kernels, count, x, start)
            pp_bf16_to_f32(kernels, count, start, x)
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
}
