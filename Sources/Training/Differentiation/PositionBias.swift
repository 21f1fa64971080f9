import T5
import Tensors

/// T5's relative position bias for one pass: a vector over distances for each head, and when it is trained the
/// gradient by distance, which is added up by bucket in the end.
///
/// A decoder's bias hides the keys that follow a query: their value is -infinity.
final class PositionBias {
    private let weights: UnsafePointer<Float>
    private let gradient: UnsafeMutablePointer<Float>?
    private let buckets: Int
    private let maximumDistance: Int
    private let heads: Int
    private let bidirectional: Bool
    private var values: [Float] = [0]
    private var sums: [Float] = [0]
    /// Distances `-(reach - 1) ... reach - 1` are covered.
    private var reach = 1

    /// - Parameters:
    ///   - weights: `[buckets, heads]`; its owner keeps the memory.
    ///   - gradient: Of the same shape; `nil` when it is not trained.
    init(
        _ weights: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>? = nil,
        configuration: T5Configuration, bidirectional: Bool
    ) {
        self.weights = weights
        self.gradient = gradient
        self.bidirectional = bidirectional
        buckets = configuration.relativeBuckets
        maximumDistance = configuration.relativeMaximumDistance
        heads = configuration.heads
    }

    /// Whether its gradient is asked for.
    var isTrained: Bool { gradient != nil }

    private func bucket(_ distance: Int) -> Int {
        RelativePositionBias.bucket(
            distance, bidirectional: bidirectional, buckets: buckets, maximumDistance: maximumDistance)
    }

    /// Takes the weights as they are now, for sequences up to a length.
    func prepare(_ longest: Int) {
        reach = max(longest, 1)
        let width = 2 * reach - 1
        values = [Float](repeating: -.infinity, count: heads * width)
        for distance in 1 - reach..<(bidirectional ? reach : 1) {
            let bucket = bucket(distance)
            for head in 0..<heads {
                values[head * width + reach - 1 + distance] = weights[bucket * heads + head]
            }
        }
        if isTrained { sums = [Float](repeating: 0, count: heads * width) }
    }

    /// Calls `body` with each head's value at distance 0 (key position minus query position), whose neighbours are
    /// those of the neighbouring distances, and the distance between heads.
    func withValues(_ body: (_ center: UnsafePointer<Float>, _ stride: Int) -> Void) {
        values.withUnsafeBufferPointer { values in
            if let start = values.baseAddress { body(start + reach - 1, 2 * reach - 1) }
        }
    }

    /// Adds a head's gradient by distance: the vector's middle is distance 0.
    func add(_ gradient: UnsafeBufferPointer<Float>, head: Int) {
        let start = head * (2 * reach - 1) + reach - 1 - gradient.count / 2
        for (offset, value) in gradient.enumerated() { sums[start + offset] += value }
    }

    /// Adds what was gathered to the weights' gradient.
    func finish() {
        guard let gradient else { return }
        for distance in 1 - reach..<(bidirectional ? reach : 1) {
            let bucket = bucket(distance)
            for head in 0..<heads {
                gradient[bucket * heads + head] += sums[head * (2 * reach - 1) + reach - 1 + distance]
            }
        }
    }
}
