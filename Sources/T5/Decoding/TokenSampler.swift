import Basics
import CKernels
import Foundation
import Tensors

/// Samples ids from rows of logits: temperature, then top-k, then top-p, then a draw, as `transformers` does.
package struct TokenSampler: Sendable {
    private let temperature: Float
    private let topK: Int
    private let topP: Double
    private let seed: UInt64

    /// A sampler. Its draws follow from the seed, the stream and the step alone.
    package init(temperature: Float, topK: Int = 0, topP: Double = 1, seed: UInt64) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.seed = seed
    }

    /// Ids that may be drawn, with weights proportional to their probabilities.
    package struct Distribution: Sendable {
        /// The ids and their probabilities times `total`.
        package fileprivate(set) var weights: [(id: Int32, weight: Double)]
        /// The weights' sum.
        package var total: Double { weights.reduce(0) { $0 + $1.weight } }
    }

    /// The filtered distribution of a row of logits; empty when none is a number above minus infinity.
    package func distribution(of logits: UnsafeBufferPointer<Float>) -> Distribution {
        var lowest = -Float.infinity
        if topK > 0, topK < logits.count, let last = TokenScore.highest(topK, of: logits).last {
            lowest = last.score
        }
        let largest = logits.isEmpty ? 0 : logits[pp_f32_argmax(logits.baseAddress, logits.count)]
        var weights: [(id: Int32, weight: Double)] = []
        for (id, logit) in logits.enumerated() where logit >= lowest && logit > -.infinity {
            weights.append((Int32(id), exp(Double(logit / temperature - largest / temperature))))
        }
        if topP < 1 { weights = likeliest(of: weights) }
        return Distribution(weights: weights)
    }

    /// The likeliest ids that together reach the probability `topP`: those are dropped that together with all
    /// less likely ones have at most `1 - topP`.
    private func likeliest(of weights: [(id: Int32, weight: Double)]) -> [(id: Int32, weight: Double)] {
        let dropped = (1 - topP) * weights.reduce(0) { $0 + $1.weight }
        // Ids this unlikely go without being sorted: even all together they would not reach the limit.
        let unlikely = dropped / Double(max(1, weights.count))
        var sum = 0.0
        var rest: [(id: Int32, weight: Double)] = []
        for entry in weights {
            if entry.weight <= unlikely { sum += entry.weight } else { rest.append(entry) }
        }
        rest.sort { ($0.weight, $0.id) < ($1.weight, $1.id) }
        let first = rest.firstIndex { entry in
            sum += entry.weight
            return sum > dropped
        }
        return Array(rest[min(first ?? rest.count, max(0, rest.count - 1))...])
    }

    /// Draws an id; `nil` from an empty distribution.
    ///
    /// - Parameters:
    ///   - stream: Tells apart the samples of one request.
    ///   - step: The number of ids drawn before in the stream.
    package func draw(from distribution: Distribution, stream: Int, step: Int) -> Int32? {
        var rest = uniform(stream: stream, step: step) * distribution.total
        for entry in distribution.weights {
            rest -= entry.weight
            if rest < 0 { return entry.id }
        }
        return distribution.weights.last?.id
    }

    /// A number in [0, 1) that depends on the seed, stream and step only: a counter run through SplitMix64's
    /// finaliser (Steele et al. 2014), once for the stream and once for the step.
    private func uniform(stream: Int, step: Int) -> Double {
        let key = SplitMix64.mix(seed &+ SplitMix64.gamma &* (UInt64(stream) &+ 1))
        return Double(SplitMix64.mix(key &+ SplitMix64.gamma &* (UInt64(step) &+ 1)) >> 11) * 0x1p-53
    }
}
