import COpenBLAS

/// The products of linear layers y = x·Wᵀ, forward and back, in float32 on OpenBLAS. Weights are `[N, K]`,
/// `M` rows go through them, all row-major and dense.
///
/// Large products are cut in a fixed number of parts, whatever the number of threads, so that the same
/// numbers come out with any pool: a run resumed with other threads goes on bit for bit.
package struct LinearProducts {
    /// The threads for large products; `nil` computes on the calling thread, as inside the pool's `parallel`.
    private let pool: WorkerPool?

    package init(pool: WorkerPool?) { self.pool = pool }

    private static let parts = 4
    /// Products of fewer multiplications stay on one thread.
    private static let smallest = 1 << 20

    /// y[M, N] = x[M, K] · W[N, K]ᵀ, added to y when `accumulate`.
    package func forward(
        _ M: Int, _ N: Int, _ K: Int, x: UnsafePointer<Float>, weights W: UnsafePointer<Float>,
        into y: UnsafeMutablePointer<Float>, accumulate: Bool = false
    ) {
        split(N, of: M * N * K) { part in
            let first = part.lowerBound
            if M == 1 {
                cblas_sgemv(
                    CblasRowMajor, CblasNoTrans, blasint(part.count), blasint(K), 1, W + first * K,
                    blasint(K), x, 1, accumulate ? 1 : 0, y + first, 1)
            } else {
                Float32Block.multiplyTransposed(
                    M, part.count, K, x, K, W + first * K, K, y + first, N, accumulate: accumulate)
            }
        }
    }

    /// The gradient of x: dx[M, K] = dy[M, N] · W[N, K], added to dx when `accumulate`.
    package func inputGradient(
        _ M: Int, _ N: Int, _ K: Int, dy: UnsafePointer<Float>, weights W: UnsafePointer<Float>,
        into dx: UnsafeMutablePointer<Float>, accumulate: Bool = false
    ) {
        split(K, of: M * N * K) { part in
            let first = part.lowerBound
            if M == 1 {
                cblas_sgemv(
                    CblasRowMajor, CblasTrans, blasint(N), blasint(part.count), 1, W + first, blasint(K), dy,
                    1, accumulate ? 1 : 0, dx + first, 1)
            } else {
                Float32Block.multiply(
                    M, part.count, N, dy, N, W + first, K, dx + first, K, accumulate: accumulate)
            }
        }
    }

    /// The gradient of W: dW[N, K] += dy[M, N]ᵀ · x[M, K].
    package func addWeightGradient(
        _ M: Int, _ N: Int, _ K: Int, dy: UnsafePointer<Float>, x: UnsafePointer<Float>,
        into dW: UnsafeMutablePointer<Float>
    ) {
        guard M > 0 else { return }
        split(N, of: M * N * K) { part in
            let first = part.lowerBound
            if M == 1 {
                cblas_sger(
                    CblasRowMajor, blasint(part.count), blasint(K), 1, dy + first, 1, x, 1, dW + first * K,
                    blasint(K))
            } else {
                Float32Block.multiplyLeftTransposed(
                    part.count, K, M, dy + first, N, x, K, dW + first * K, K, accumulate: true)
            }
        }
    }

    /// db[N] += the sum of the rows of dy[M, N].
    package static func addBiasGradient(
        _ M: Int, _ N: Int, dy: UnsafePointer<Float>, into db: UnsafeMutablePointer<Float>
    ) {
        for row in 0..<M {
            for column in 0..<N { db[column] += dy[row * N + column] }
        }
    }

    private func split(_ count: Int, of multiplications: Int, _ body: (Range<Int>) -> Void) {
        guard multiplications >= Self.smallest, count >= 16 * Self.parts else { return body(0..<count) }
        func part(_ index: Int) {
            let grains = (count + 15) / 16
            let lower = grains * index / Self.parts * 16
            body(lower..<min(count, grains * (index + 1) / Self.parts * 16))
        }
        if let pool {
            pool.parallel(Self.parts, part)
        } else {
            (0..<Self.parts).forEach(part)
        }
    }
}
