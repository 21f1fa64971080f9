import Foundation
import Tensors

/// T5's relative position bias as one vector a head, indexed by distance, instead of a table over positions
/// (Raffel et al. 2020, section 2.1; bucketing as in Mesh TensorFlow's `_relative_position_bucket`).
///
/// The vectors serve all layers, tasks and lengths; they grow when a longer sequence comes.
package struct RelativePositionBias {
    private let weights: FloatTensor
    private let buckets: Int
    private let maximumDistance: Int
    private let heads: Int
    private let bidirectional: Bool
    private var values = FloatBuffer(count: 0)
    /// Distances `-(reach - 1) ... reach - 1` are covered.
    private var reach = 0

    init(_ weights: FloatTensor, configuration: T5Configuration, bidirectional: Bool) {
        self.weights = weights
        self.bidirectional = bidirectional
        buckets = configuration.relativeBuckets
        maximumDistance = configuration.relativeMaximumDistance
        heads = configuration.heads
    }

    /// Makes all distances below `length` available.
    mutating func cover(_ length: Int) {
        guard length > reach else { return }
        reach = max(length, 2 * reach, 256)
        values = FloatBuffer(count: heads * (2 * reach - 1))
        for distance in 1 - reach..<reach {
            let bucket = Self.bucket(
                distance, bidirectional: bidirectional, buckets: buckets, maximumDistance: maximumDistance)
            for head in 0..<heads {
                values.pointer[head * (2 * reach - 1) + reach - 1 + distance] =
                    weights.pointer[bucket * heads + head]
            }
        }
    }

    /// The value at distance 0 (key position minus query position) for a head; its neighbours are those of
    /// the neighbouring distances.
    func center(head: Int) -> UnsafePointer<Float> {
        UnsafePointer(values.pointer) + head * (2 * reach - 1) + reach - 1
    }

    /// Elements from one head's vector to the next.
    var stride: Int { 2 * reach - 1 }

    /// The bucket of a distance (key position minus query position). The logarithm is taken in float32, as the
    /// reference does: at bucket borders double precision would give another bucket.
    package static func bucket(_ distance: Int, bidirectional: Bool, buckets: Int, maximumDistance: Int)
        -> Int
    {
        var buckets = buckets
        var result = 0
        var position = distance
        if bidirectional {
            buckets /= 2
            if position > 0 { result += buckets }
            position = abs(position)
        } else {
            position = max(-position, 0)
        }
        let exact = buckets / 2
        if position < exact { return result + position }
        let ratio = log(Float(position) / Float(exact))
        let scaled = ratio / Float(log(Double(maximumDistance) / Double(exact))) * Float(buckets - exact)
        return result + min(exact + Int(scaled), buckets - 1)
    }
}
