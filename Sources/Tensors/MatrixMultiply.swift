import CKernels
import COpenBLAS

extension WorkerPool {
    /// `C[m][n] = A[m] · B[n]` (`+ C[m][n]` when `accumulate`): the product of a linear layer, whose weights
    /// `B` are stored `[N, K]` as checkpoints have them. Float32 on OpenBLAS; for up to sixteen rows, where
    /// OpenBLAS would repack all of `B` at every call, a kernel that reads each weight once.
    ///
    /// Strides are in elements.
    package func multiply(
        rows M: Int, columns N: Int, inner K: Int,
        _ A: UnsafePointer<Float>, stride aStride: Int,
        _ B: UnsafePointer<Float>, stride bStride: Int,
        into C: UnsafeMutablePointer<Float>, stride cStride: Int, accumulate: Bool = false
    ) {
        guard M > 0, N > 0, K > 0 else { return }
        if M <= 16 {
            ranges(of: N, grain: 64) { range in
                pp_f32_gemm_few_rows(
                    kernels, A, aStride, M, B + range.lowerBound * bStride, bStride, range.count, K,
                    C + range.lowerBound, cStride, accumulate ? 1 : 0)
            }
        } else if M >= 48 * threadCount {
            ranges(of: M, grain: 16) { range in
                sgemm(
                    range.count, N, K, A + range.lowerBound * aStride, aStride, B, bStride,
                    C + range.lowerBound * cStride, cStride, accumulate)
            }
        } else {
            ranges(of: N, grain: 64) { range in
                sgemm(
                    M, range.count, K, A, aStride, B + range.lowerBound * bStride, bStride,
                    C + range.lowerBound, cStride, accumulate)
            }
        }
    }
}

/// One single-threaded OpenBLAS call; see `WorkerPool.multiply`. Extents beyond 32 bits cannot occur: every
/// caller's matrices are bounded by a batch's token budget and a core's checked configuration.
private func sgemm(
    _ M: Int, _ N: Int, _ K: Int, _ A: UnsafePointer<Float>, _ aStride: Int, _ B: UnsafePointer<Float>,
    _ bStride: Int, _ C: UnsafeMutablePointer<Float>, _ cStride: Int, _ accumulate: Bool
) {
    cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasTrans, blasint(M), blasint(N), blasint(K), 1, A, blasint(aStride),
        B, blasint(bStride), accumulate ? 1 : 0, C, blasint(cStride))
}

/// Float32 attention of a block of query rows against all keys of one sequence and head.
package enum Float32Attention {
    /// Query rows computed together; the score scratch holds this many times the sequence's length.
    package static let blockRows = 64

    /// `out[i] = softmax_j(q[i] · k[j] + bias[j - i]) v` for query rows `first ..< first + rows`.
    ///
    /// - Parameters:
    ///   - bias: The value for distance 0; distances `-(length - 1) ... length - 1` are readable around it.
    ///   - scores: Scratch of `rows * length` elements.
    package static func attend(
        kernels: UnsafePointer<pp_kernels>,
        q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, stride: Int,
        first: Int, rows: Int, length: Int, headWidth: Int, bias: UnsafePointer<Float>?,
        scores: UnsafeMutablePointer<Float>, out: UnsafeMutablePointer<Float>, outStride: Int
    ) {
        sgemm(rows, length, headWidth, q + first * stride, stride, k, stride, scores, length, false)
        pp_f32_softmax_bias(kernels, scores, length, bias.map { $0 - first }, rows, length)
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(rows), blasint(headWidth), blasint(length), 1,
            scores, blasint(length), v, blasint(stride), 0, out + first * outStride, blasint(outStride))
    }
}
