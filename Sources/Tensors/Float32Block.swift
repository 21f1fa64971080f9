import COpenBLAS

/// Products of float32 matrices, each one OpenBLAS call on the calling thread.
///
/// `M`, `N` and `K` are the rows and columns of the result and the inner dimension; strides are in elements. Extents
/// beyond 32 bits cannot occur: a batch's rows and a core's checked configuration bound every matrix.
package enum Float32Block {
    /// `C[m][n] = A[m] · B[n]` (`+ C[m][n]` when `accumulate`)
    package static func multiplyTransposed(
        _ M: Int, _ N: Int, _ K: Int, _ A: UnsafePointer<Float>, _ aStride: Int, _ B: UnsafePointer<Float>,
        _ bStride: Int, _ C: UnsafeMutablePointer<Float>, _ cStride: Int, accumulate: Bool = false
    ) {
        sgemm(CblasNoTrans, CblasTrans, M, N, K, A, aStride, B, bStride, C, cStride, accumulate)
    }

    /// `C[m][n] = Σ_k A[m][k] B[k][n]` (`+ C[m][n]` when `accumulate`)
    package static func multiply(
        _ M: Int, _ N: Int, _ K: Int, _ A: UnsafePointer<Float>, _ aStride: Int, _ B: UnsafePointer<Float>,
        _ bStride: Int, _ C: UnsafeMutablePointer<Float>, _ cStride: Int, accumulate: Bool = false
    ) {
        sgemm(CblasNoTrans, CblasNoTrans, M, N, K, A, aStride, B, bStride, C, cStride, accumulate)
    }

    /// `C[m][n] = Σ_k A[k][m] B[k][n]` (`+ C[m][n]` when `accumulate`)
    package static func multiplyLeftTransposed(
        _ M: Int, _ N: Int, _ K: Int, _ A: UnsafePointer<Float>, _ aStride: Int, _ B: UnsafePointer<Float>,
        _ bStride: Int, _ C: UnsafeMutablePointer<Float>, _ cStride: Int, accumulate: Bool
    ) {
        sgemm(CblasTrans, CblasNoTrans, M, N, K, A, aStride, B, bStride, C, cStride, accumulate)
    }

    private static func sgemm(
        _ a: CBLAS_TRANSPOSE, _ b: CBLAS_TRANSPOSE, _ M: Int, _ N: Int, _ K: Int, _ A: UnsafePointer<Float>,
        _ aStride: Int, _ B: UnsafePointer<Float>, _ bStride: Int, _ C: UnsafeMutablePointer<Float>,
        _ cStride: Int, _ accumulate: Bool
    ) {
        cblas_sgemm(
            CblasRowMajor, a, b, blasint(M), blasint(N), blasint(K), 1, A, blasint(aStride), B,
            blasint(bStride), accumulate ? 1 : 0, C, blasint(cStride))
    }
}
