import COpenBLAS

/// The products of a backward pass on OpenBLAS, beside `WorkerPool.multiply`. Extents beyond 32 bits cannot occur:
/// a batch's rows and a core's checked configuration bound every matrix.
extension WorkerPool {
    /// `C[m][k] = Σ_n G[m][n] B[n][k]` (`+ C[m][k]` when `accumulate`): the gradient at a linear layer's input from
    /// that at its output, with its weights `B` stored `[N, K]`. Strides are in elements.
    package func multiplyBack(
        rows M: Int, columns K: Int, inner N: Int, _ G: UnsafePointer<Float>, stride gStride: Int,
        _ B: UnsafePointer<Float>, stride bStride: Int, into C: UnsafeMutablePointer<Float>,
        stride cStride: Int,
        accumulate: Bool
    ) {
        guard M > 0, N > 0, K > 0 else { return }
        // As in the forward product: many rows are split by rows, few by columns.
        let byRows = M >= 48 * threadCount
        ranges(of: byRows ? M : K, grain: byRows ? 16 : 64) { range in
            let row = byRows ? range.lowerBound : 0
            let column = byRows ? 0 : range.lowerBound
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(byRows ? range.count : M),
                blasint(byRows ? K : range.count), blasint(N), 1, G + row * gStride, blasint(gStride),
                B + column,
                blasint(bStride), accumulate ? 1 : 0, C + row * cStride + column, blasint(cStride))
        }
    }

    /// `D[n][k] += Σ_m G[m][n] A[m][k]`: the gradient of a linear layer's weights.
    package func addOuterProduct(
        rows M: Int, outputs N: Int, inputs K: Int, _ G: UnsafePointer<Float>, stride gStride: Int,
        _ A: UnsafePointer<Float>, stride aStride: Int, to D: UnsafeMutablePointer<Float>
    ) {
        guard M > 0, N > 0, K > 0 else { return }
        ranges(of: N, grain: 16) { range in
            cblas_sgemm(
                CblasRowMajor, CblasTrans, CblasNoTrans, blasint(range.count), blasint(K), blasint(M), 1,
                G + range.lowerBound, blasint(gStride), A, blasint(aStride), 1, D + range.lowerBound * K,
                blasint(K))
        }
    }
}

/// Single-threaded products within attention.
package enum Float32Block {
    /// `C[m][n] = A[m] · B[n]`
    package static func multiplyTransposed(
        _ M: Int, _ N: Int, _ K: Int, _ A: UnsafePointer<Float>, _ aStride: Int, _ B: UnsafePointer<Float>,
        _ bStride: Int, _ C: UnsafeMutablePointer<Float>, _ cStride: Int
    ) {
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasTrans, blasint(M), blasint(N), blasint(K), 1, A,
            blasint(aStride), B,
            blasint(bStride), 0, C, blasint(cStride))
    }

    /// `C[m][n] = Σ_k A[m][k] B[k][n]`
    package static func multiply(
        _ M: Int, _ N: Int, _ K: Int, _ A: UnsafePointer<Float>, _ aStride: Int, _ B: UnsafePointer<Float>,
        _ bStride: Int, _ C: UnsafeMutablePointer<Float>, _ cStride: Int
    ) {
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(M), blasint(N), blasint(K), 1, A,
            blasint(aStride),
            B, blasint(bStride), 0, C, blasint(cStride))
    }

    /// `C[m][n] = Σ_k A[k][m] B[k][n]` (`+ C[m][n]` when `accumulate`)
    package static func multiplyLeftTransposed(
        _ M: Int, _ N: Int, _ K: Int, _ A: UnsafePointer<Float>, _ aStride: Int, _ B: UnsafePointer<Float>,
        _ bStride: Int, _ C: UnsafeMutablePointer<Float>, _ cStride: Int, accumulate: Bool
    ) {
        cblas_sgemm(
            CblasRowMajor, CblasTrans, CblasNoTrans, blasint(M), blasint(N), blasint(K), 1, A,
            blasint(aStride),
            B, blasint(bStride), accumulate ? 1 : 0, C, blasint(cStride))
    }
}
