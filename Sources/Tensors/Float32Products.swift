import CKernels

/// The products of a linear layer in float32, forward and back, split over the pool's threads. Its weights `B` are
/// stored `[N, K]`, as checkpoints have them. Strides are in elements.
extension WorkerPool {
    /// `C[m][n] = A[m] · B[n]` (`+ C[m][n]` when `accumulate`): the layer's output. For up to sixteen rows, where
    /// OpenBLAS would repack all of `B` at every call, a kernel reads each weight once.
    package func multiply(
        rows M: Int, columns N: Int, inner K: Int,
        _ A: UnsafePointer<Float>, stride aStride: Int,
        _ B: UnsafePointer<Float>, stride bStride: Int,
        into C: UnsafeMutablePointer<Float>, stride cStride: Int, accumulate: Bool = false
    ) {
        guard M > 0, N > 0, K > 0 else { return }
        guard M > 16 else {
            return ranges(of: N, grain: 64) { range in
                pp_f32_gemm_few_rows(
                    kernels, A, aStride, M, B + range.lowerBound * bStride, bStride, range.count, K,
                    C + range.lowerBound, cStride, accumulate ? 1 : 0)
            }
        }
        block(M, N) { rows, columns in
            Float32Block.multiplyTransposed(
                rows.count, columns.count, K, A + rows.lowerBound * aStride, aStride,
                B + columns.lowerBound * bStride, bStride,
                C + rows.lowerBound * cStride + columns.lowerBound, cStride, accumulate: accumulate)
        }
    }

    /// `C[m][k] = Σ_n G[m][n] B[n][k]` (`+ C[m][k]` when `accumulate`): the gradient at the layer's input from that at
    /// its output.
    package func multiplyBack(
        rows M: Int, columns K: Int, inner N: Int, _ G: UnsafePointer<Float>, stride gStride: Int,
        _ B: UnsafePointer<Float>, stride bStride: Int, into C: UnsafeMutablePointer<Float>,
        stride cStride: Int, accumulate: Bool
    ) {
        guard M > 0, N > 0, K > 0 else { return }
        block(M, K) { rows, columns in
            Float32Block.multiply(
                rows.count, columns.count, N, G + rows.lowerBound * gStride, gStride, B + columns.lowerBound,
                bStride, C + rows.lowerBound * cStride + columns.lowerBound, cStride, accumulate: accumulate)
        }
    }

    /// `D[n][k] += Σ_m G[m][n] A[m][k]`: the gradient of the layer's weights.
    package func addOuterProduct(
        rows M: Int, outputs N: Int, inputs K: Int, _ G: UnsafePointer<Float>, stride gStride: Int,
        _ A: UnsafePointer<Float>, stride aStride: Int, to D: UnsafeMutablePointer<Float>
    ) {
        guard M > 0, N > 0, K > 0 else { return }
        ranges(of: N, grain: 16) { range in
            Float32Block.multiplyLeftTransposed(
                range.count, K, M, G + range.lowerBound, gStride, A, aStride, D + range.lowerBound * K, K,
                accumulate: true)
        }
    }

    /// Splits a result `[M, N]`: many rows by rows, few by columns.
    private func block(_ M: Int, _ N: Int, _ body: (_ rows: Range<Int>, _ columns: Range<Int>) -> Void) {
        if M >= 48 * threadCount {
            ranges(of: M, grain: 16) { body($0, 0..<N) }
        } else {
            ranges(of: N, grain: 64) { body(0..<M, $0) }
        }
    }
}
