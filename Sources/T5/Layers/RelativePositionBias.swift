import Basics
import Foundation
import Tensors

/// T5's relative position bias as one vector a head, indexed by distance, instead of a table over positions
/// (Raffel et al. 2020, section 2.1; bucketing as in Mesh TensorFlow's `_relative_position_bucket`).
///
/// The vectors serve all layers, tasks and lengths; they grow when a longer sequence comes. A decoder's bias hides the
/// keys that follow a query: their value is -infinity.
package final class RelativePositionBias {
    /// `[buckets, heads]`
    package let weights: FloatTensor
    private let buckets: Int
    private let maximumDistance: Int
    private let heads: Int
    private let bidirectional: Bool
    private var values = AlignedBuffer(0, of: Float.self)
    /// Distances `-(reach - 1) ... reach - 1` are covered.
    private var reach = 0

    /// - Parameter weights: `[buckets, heads]`
    package init(_ weights: FloatTensor, configuration: T5Configuration, bidirectional: Bool) {
        self.weights = weights
        self.bidirectional = bidirectional
        buckets = configuration.relativeBuckets
        maximumDistance = configuration.relativeMaximumDistance
        heads = configuration.heads
    }

    /// Makes all distances below `length` available.
    package func cover(_ length: Int) {
        guard length > reach else { return }
        reach = max(length, 2 * reach, 256)
        values = AlignedBuffer(heads * stride, of: Float.self)
        let values = values.elements(Float.self)
        values.update(repeating: -.infinity, count: heads * stride)
        for distance in distances(below: reach) {
            let bucket = bucket(of: distance)
            for head in 0..<heads {
                values[head * stride + reach - 1 + distance] = weights.pointer[bucket * heads + head]
            }
        }
    }

    /// Forgets the vectors: the weights have changed.
    package func reset() { reach = 0 }

    /// The value at distance 0 (key position minus query position) for a head; its neighbours are those of
    /// the neighbouring distances.
    package func center(head: Int) -> UnsafePointer<Float> {
        UnsafePointer(values.elements(Float.self)) + head * stride + reach - 1
    }

    /// Elements from one head's vector to the next.
    package var stride: Int { 2 * reach - 1 }

    /// The distances below a length that are not hidden.
    package func distances(below length: Int) -> Range<Int> { 1 - length..<(bidirectional ? length : 1) }

    /// The bucket of a distance (key position minus query position).
    package func bucket(of distance: Int) -> Int {
        Self.bucket(
            distance, bidirectional: bidirectional, buckets: buckets, maximumDistance: maximumDistance)
    }

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
