import CKernels
import T5
import Tensors

/// Products with transposed matrices.
extension BFloat16Backward {
    func multiplyBack(_ g: Rows<UInt16>, _ matrix: PackedMatrix, into out: Rows<UInt16>, _ part: Part) {
        runBack(g, part.count, matrix, part.team) { gemm, column in
            gemm.epilogue = PP_STORE_BF16
            gemm.bf16 = out.start + column
            gemm.ld_bf16 = out.stride
        }
    }

    func multiplyBack(
        _ g: Rows<UInt16>, _ count: Int, _ matrix: PackedMatrix, into out: Rows<Float>, adding: Bool,
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
        _ g: Rows<UInt16>, _ rows: Int, _ matrix: PackedMatrix, _ team: Team,
        _ configure: (inout pp_gemm, Int) -> Void
    ) {
        let outputs = matrix.panels.wideColumns
        var gemm = pp_gemm()
        gemm.a = UnsafeRawPointer(g.start)
        gemm.lda = g.stride
        gemm.k = outputs
        if let kept = transposed.kept(matrix) {
            gemm.panels = kept.start
            gemm.columns = kept.columns
            configure(&gemm, 0)
            forward.run(gemm, .bfloat16, rows, 0..<kept.panelCount, team)
            return
        }
        var column = 0
        for slice in matrix.slices {
            let first = column
            gemm.columns = slice.depth
            runTransposing(gemm, rows, slice, outputs: outputs, team) { configure(&$0, first + $1) }
            column += slice.depth
        }
    }

    /// Runs the product with a slice of a transposed matrix, a few panels at a time, so that they are still in the
    /// cache when they are multiplied with.
    private func runTransposing(
        _ gemm: pp_gemm, _ rows: Int, _ slice: PackedPanels, outputs: Int, _ team: Team,
        _ configure: (inout pp_gemm, Int) -> Void
    ) {
        let size = pp_panel_bf16(outputs)
        let chunk = max(1, Self.transposedElements / size / 2) * 2
        let source = slice.start.assumingMemoryBound(to: UInt16.self)
        team.split(TransposedPanels.panelCount(slice), grain: 2) { range in
            forward.workspaces.lend { workspace in
                let panels: UnsafeMutablePointer<UInt16> = workspace.attention.reserve(
                    min(chunk, range.count) * size)
                for first in Swift.stride(from: range.lowerBound, to: range.upperBound, by: chunk) {
                    let last = min(first + chunk, range.upperBound)
                    var part = gemm
                    part.panels = UnsafeRawPointer(panels)
                    part.columns = gemm.columns - first * Int(PP_PANEL)
                    configure(&part, first * Int(PP_PANEL))
                    pp_transpose_bf16(kernels, source, slice.depth, outputs, first, last, panels)
                    pp_gemm_bf16(kernels, &part, 0, rows, 0, last - first)
                }
            }
        }
    }

    /// Elements of panels that are transposed at a time.
    private static var transposedElements: Int { 1 << 17 }
}
