import Foundation
import Tensors

/// Adafactor as Lester et al. 2021 use it, with a given learning rate: computed as `transformers.Adafactor`
/// does with `relative_step=False`.
///
/// Of a matrix (the last two extents of a larger tensor) only the means of squares over rows and over columns
/// are kept, of a vector all.
///
/// Source: Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018.
final class Adafactor: Optimizer {
    private struct Moments {
        var step = 0
        /// Means of squares: `[…, rows]` and `[…, columns]`, or all in `row` when the parameter is a vector.
        var row: [Float]
        var column: [Float]
        /// The mean of updates; empty without ``AdafactorSettings/beta1``.
        var mean: [Float]
    }

    /// A parameter as matrices `[count, rows, columns]`; a vector is one of a single row.
    private struct Extents {
        let count, rows, columns: Int
        let isFactored: Bool

        init(_ shape: [Int]) {
            isFactored = shape.count >= 2
            columns = shape.last ?? 1
            rows = isFactored ? shape[shape.count - 2] : 1
            count = shape.dropLast(2).reduce(1, *)
        }
    }

    /// Added to the squares of gradients.
    private static let squareFloor: Float = 1e-30
    /// The least root mean square that parameter scaling multiplies with.
    private static let scaleFloor = 1e-3

    private let options: AdafactorSettings
    private var moments: [String: Moments] = [:]

    /// An optimizer that remembers nothing yet.
    init(_ settings: AdafactorSettings = AdafactorSettings()) { options = settings }

    var settings: OptimizerSettings { .adafactor(options) }

    func update(_ parameter: ParameterView, learningRate: Double, pool: WorkerPool) {
        let extents = Extents(parameter.shape)
        let elements = parameter.values.count
        guard elements > 0 else { return }
        var moments = moments.removeValue(forKey: parameter.name) ?? fresh(extents)
        precondition(
            moments.row.count == extents.count * (extents.isFactored ? extents.rows : extents.columns),
            "\(parameter.name) has changed its shape")
        moments.step += 1
        var rate = learningRate
        if options.parameterScaling {
            let scale = (squareSum(parameter.values, pool: pool) / Double(elements)).squareRoot()
            rate *= max(Self.scaleFloor, scale)
        }
        let decay = 1 - pow(Double(moments.step), -options.decay)
        let factors = Factors(
            &moments, extents, gradient: parameter.gradient, decay: Float(decay), pool: pool)
        let rms = (factors.squareSum(of: parameter.gradient, pool: pool) / Double(elements)).squareRoot()
        let scale = Float(rate / max(1, rms / options.clipThreshold))
        let keep = Float(1 - options.weightDecay * rate)
        let beta1 = options.beta1.map { Float($0) }
        let (values, gradient) = (parameter.values, parameter.gradient)
        moments.mean.withUnsafeMutableBufferPointer { mean in
            factors.forEachRow(pool) { row, range, rowFactor, columnFactors in
                for (index, column) in zip(range, 0...) {
                    var change = scale * (rowFactor * columnFactors[column] * gradient[index])
                    if let beta1 {
                        change = mean[index] * beta1 + change * (1 - beta1)
                        mean[index] = change
                    }
                    values[index] = values[index] * keep - change
                }
            }
        }
        self.moments[parameter.name] = moments
    }

    private func fresh(_ extents: Extents) -> Moments {
        let elements = extents.count * extents.rows * extents.columns
        return Moments(
            row: [Float](
                repeating: 0, count: extents.count * (extents.isFactored ? extents.rows : extents.columns)),
            column: [Float](repeating: 0, count: extents.isFactored ? extents.count * extents.columns : 0),
            mean: [Float](repeating: 0, count: options.beta1 == nil ? 0 : elements))
    }

    /// What a step's gradient is multiplied with: a factor for its row times one for its column.
    private struct Factors {
        private let extents: Extents
        private var rows: [Float]
        private var columns: [Float]

        /// Takes the squares of a gradient into the means, and the factors from these.
        init(
            _ moments: inout Moments, _ extents: Extents, gradient: UnsafeMutableBufferPointer<Float>,
            decay: Float, pool: WorkerPool
        ) {
            self.extents = extents
            guard extents.isFactored else {
                for index in gradient.indices {
                    let square = gradient[index] * gradient[index] + squareFloor
                    moments.row[index] = moments.row[index] * decay + square * (1 - decay)
                }
                rows = [1]
                columns = moments.row.map { 1 / $0.squareRoot() }
                return
            }
            let rowMeans = Self.rowMeans(gradient, extents, pool)
            let columnMeans = Self.columnMeans(gradient, extents, pool)
            for index in rowMeans.indices {
                moments.row[index] = moments.row[index] * decay + rowMeans[index] * (1 - decay)
            }
            for index in columnMeans.indices {
                moments.column[index] = moments.column[index] * decay + columnMeans[index] * (1 - decay)
            }
            rows = moments.row
            for matrix in 0..<extents.count {
                let range = matrix * extents.rows..<(matrix + 1) * extents.rows
                let mean = Float(rows[range].reduce(0.0) { $0 + Double($1) } / Double(extents.rows))
                for index in range { rows[index] = 1 / (rows[index] / mean).squareRoot() }
            }
            columns = moments.column.map { 1 / $0.squareRoot() }
        }

        private static func rowMeans(
            _ gradient: UnsafeMutableBufferPointer<Float>, _ extents: Extents, _ pool: WorkerPool
        ) -> [Float] {
            let width = extents.columns
            return concurrent(extents.count * extents.rows, of: width, pool) { row in
                let sum = gradient.baseAddress.map { Training.squareSum($0 + row * width, count: width) } ?? 0
                return Float(sum / Double(width)) + squareFloor
            }
        }

        private static func columnMeans(
            _ gradient: UnsafeMutableBufferPointer<Float>, _ extents: Extents, _ pool: WorkerPool
        ) -> [Float] {
            let block = 64
            let blocks = (extents.columns + block - 1) / block
            let parts = pool.map(Array(0..<extents.count * blocks)) { part in
                let (matrix, index) = part.quotientAndRemainder(dividingBy: blocks)
                let columns = index * block..<min((index + 1) * block, extents.columns)
                var sums = [Double](repeating: 0, count: columns.count)
                for row in matrix * extents.rows..<(matrix + 1) * extents.rows {
                    let start = row * extents.columns + columns.lowerBound
                    for column in 0..<columns.count {
                        let value = Double(gradient[start + column])
                        sums[column] += value * value
                    }
                }
                return sums.map { Float($0 / Double(extents.rows)) + squareFloor }
            }
            return parts.flatMap { $0 }
        }

        /// A number for each row, computed in parallel when rows are long.
        private static func concurrent<Result>(
            _ rows: Int, of width: Int, _ pool: WorkerPool, _ body: (Int) -> Result
        ) -> [Result] {
            let step = max(1, optimizerGrain / max(1, width))
            let starts = Array(stride(from: 0, to: rows, by: step))
            return pool.map(starts) { start in (start..<min(start + step, rows)).map(body) }.flatMap { $0 }
        }

        /// Calls `body` for each row, in parallel: the row, where its elements are, its factor and the
        /// columns'.
        func forEachRow(
            _ pool: WorkerPool, _ body: (Int, Range<Int>, Float, UnsafeBufferPointer<Float>) -> Void
        ) {
            let width = extents.columns
            rows.withUnsafeBufferPointer { rows in
                columns.withUnsafeBufferPointer { columns in
                    pool.ranges(of: rows.count, grain: max(1, optimizerGrain / width)) { range in
                        for row in range {
                            let first = row / extents.rows * width
                            body(
                                row, row * width..<(row + 1) * width, rows[row],
                                UnsafeBufferPointer(rebasing: columns[first..<first + width]))
                        }
                    }
                }
            }
        }

        /// The sum of squares of the gradient times its factors.
        func squareSum(of gradient: UnsafeMutableBufferPointer<Float>, pool: WorkerPool) -> Double {
            let width = extents.columns
            return columns.withUnsafeBufferPointer { columns in
                Self.concurrent(rows.count, of: width, pool) { row in
                    let first = row / extents.rows * width
                    var sum = 0.0
                    for column in 0..<width {
                        let value = rows[row] * columns[first + column] * gradient[row * width + column]
                        sum += Double(value) * Double(value)
                    }
                    return sum
                }.reduce(0, +)
            }
        }
    }

    var state: [NamedValues] {
        moments.sorted { $0.key < $1.key }.flatMap { name, moments in
            [
                NamedValues(name: "\(name).step", values: [Float(moments.step)]),
                NamedValues(name: "\(name).row", values: moments.row),
                NamedValues(name: "\(name).column", values: moments.column),
                NamedValues(name: "\(name).mean", values: moments.mean),
            ]
        }
    }

    func restore(_ state: [NamedValues], shapes: [String: [Int]]) throws(TrainingError) {
        let saved = SavedState(state)
        var restored: [String: Moments] = [:]
        for (name, shape) in shapes {
            guard let step = try saved.step(of: name) else { continue }
            var moments = fresh(Extents(shape))
            moments.step = step
            moments.row = try saved.require("row", of: name, count: moments.row.count)
            moments.column = try saved.require("column", of: name, count: moments.column.count)
            moments.mean = try saved.require("mean", of: name, count: moments.mean.count)
            restored[name] = moments
        }
        moments = restored
    }
}
