import Basics
import Tensors

/// Coordinates of rows over a basis.
enum LeastSquares {
    /// The X `[rows, basis]` for which X·B is nearest to the rows, by the normal equations in double
    /// precision. A ridge of 1e-6 of the mean square keeps them solvable when the basis is not independent.
    ///
    /// - Parameters:
    ///   - rows: `[rows, width]`.
    ///   - basis: B `[basis, width]`.
    static func coordinates(of rows: [Float], over basis: [Float], width: Int) -> [Float] {
        let m = basis.count / width
        var matrix = [Double](repeating: 0, count: m * m)
        for i in 0..<m {
            for j in 0...i { matrix[i * m + j] = dot(basis, i * width, basis, j * width, width) }
        }
        let trace = (0..<m).reduce(0) { $0 + matrix[$1 * m + $1] }
        // A basis of zeros has coordinates 0.
        let ridge = max(1e-6 * trace / Double(m), 1e-30)
        for i in 0..<m { matrix[i * m + i] += ridge }
        factorize(&matrix, m)
        var result: [Float] = []
        for row in stride(from: 0, to: rows.count, by: width) {
            var x = (0..<m).map { dot(rows, row, basis, $0 * width, width) }
            for i in 0..<m {
                for j in 0..<i { x[i] -= matrix[i * m + j] * x[j] }
                x[i] /= matrix[i * m + i]
            }
            for i in (0..<m).reversed() {
                for j in i + 1..<max(m, i + 1) { x[i] -= matrix[j * m + i] * x[j] }
                x[i] /= matrix[i * m + i]
            }
            result += x.map { Float($0) }
        }
        return result
    }

    /// Cholesky's decomposition in the lower triangle.
    private static func factorize(_ matrix: inout [Double], _ m: Int) {
        for i in 0..<m {
            for j in 0...i {
                var sum = matrix[i * m + j]
                for k in 0..<j { sum -= matrix[i * m + k] * matrix[j * m + k] }
                // Rounding may leave a little below 0 where the ridge alone should stand.
                matrix[i * m + j] =
                    i == j ? max(sum, .leastNormalMagnitude).squareRoot() : sum / matrix[j * m + j]
            }
        }
    }
}

/// Matrices as products of narrow ones.
enum LowRank {
    /// A `[rows, rank]` and B `[rank, width]` with A·B the best approximation of the rows of that rank, each
    /// column of A as long as its row of B: by orthogonal iteration, which tends to the singular value
    /// decomposition.
    ///
    /// Where the rows' own rank is less, A has zeros and B numbers within ±0.5, so that training can use
    /// them.
    static func factors(
        of rows: [Float], rows count: Int, width: Int, rank: Int, using generator: inout SplitMix64
    ) -> (left: [Float], right: [Float]) {
        var basis = (0..<rank * width).map { _ in Double(generator.normal()) }
        var left = [Double](repeating: 0, count: count * rank)
        let size = rows.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        orthonormalize(&basis, width: width, floor: 0)
        for _ in 0..<30 {
            left = project(rows, on: basis, width: width, rank: rank)
            basis = [Double](repeating: 0, count: rank * width)
            for row in 0..<count {
                for component in 0..<rank {
                    let weight = left[row * rank + component]
                    for column in 0..<width {
                        basis[component * width + column] += weight * Double(rows[row * width + column])
                    }
                }
            }
            orthonormalize(&basis, width: width, floor: 1e-9 * size * size)
        }
        left = project(rows, on: basis, width: width, rank: rank)
        var right = basis
        for component in 0..<rank {
            var norm = 0.0
            for row in 0..<count { norm += left[row * rank + component] * left[row * rank + component] }
            let share = norm.squareRoot().squareRoot()
            guard share > 0 else {
                for column in 0..<width {
                    right[component * width + column] = Double(generator.uniform(bound: 0.5))
                }
                continue
            }
            for row in 0..<count { left[row * rank + component] /= share }
            for column in 0..<width { right[component * width + column] *= share }
        }
        return (left.map { Float($0) }, right.map { Float($0) })
    }

    private static func project(_ rows: [Float], on basis: [Double], width: Int, rank: Int) -> [Double] {
        var result: [Double] = []
        result.reserveCapacity(rows.count / width * rank)
        for row in stride(from: 0, to: rows.count, by: width) {
            for component in 0..<rank { result.append(dot(rows, row, basis, component * width, width)) }
        }
        return result
    }

    /// Gram and Schmidt, twice over, which is enough. Rows that depend on those before become zeros.
    private static func orthonormalize(_ rows: inout [Double], width: Int, floor: Double) {
        for first in stride(from: 0, to: rows.count, by: width) {
            for _ in 0..<2 {
                for other in stride(from: 0, to: first, by: width) {
                    let share = dot(rows, first, rows, other, width)
                    for column in 0..<width { rows[first + column] -= share * rows[other + column] }
                }
            }
            let norm = dot(rows, first, rows, first, width).squareRoot()
            for column in 0..<width { rows[first + column] = norm > floor ? rows[first + column] / norm : 0 }
        }
    }
}

private func dot<A: BinaryFloatingPoint, B: BinaryFloatingPoint>(
    _ a: [A], _ i: Int, _ b: [B], _ j: Int, _ count: Int
) -> Double {
    var sum = 0.0
    for offset in 0..<count { sum += Double(a[i + offset]) * Double(b[j + offset]) }
    return sum
}
