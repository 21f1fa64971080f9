import T5

/// The gradient of a relative position bias, gathered by distance over a pass.
final class RelativePositionBiasGradient {
    private let bias: RelativePositionBias
    private let heads: Int
    /// `[buckets, heads]`; its owner keeps the memory.
    private let gradient: UnsafeMutablePointer<Float>
    private var sums: [Float] = []
    /// Distances `-(reach - 1) ... reach - 1` are covered.
    private var reach = 0

    init(of bias: RelativePositionBias, heads: Int, addingTo gradient: UnsafeMutablePointer<Float>) {
        self.bias = bias
        self.heads = heads
        self.gradient = gradient
    }

    /// Adds a head's gradient by distance: the vector's middle is distance 0.
    func add(_ gradient: UnsafeBufferPointer<Float>, head: Int) {
        let start = head * (2 * reach - 1) + reach - 1 - gradient.count / 2
        for (offset, value) in gradient.enumerated() { sums[start + offset] += value }
    }

    /// Begins a pass over sequences up to a length.
    func begin(longest: Int) {
        reach = max(longest, 1)
        sums = [Float](repeating: 0, count: heads * (2 * reach - 1))
    }

    /// Adds what was gathered to the weights' gradient.
    func finish() {
        for distance in bias.distances(below: reach) {
            let bucket = bias.bucket(of: distance)
            for head in 0..<heads {
                gradient[bucket * heads + head] += sums[head * (2 * reach - 1) + reach - 1 + distance]
            }
        }
    }
}
