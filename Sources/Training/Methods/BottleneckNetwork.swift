import Basics
import Foundation
import Tensors

/// y = LayerNorm(W_up · act(W_down · x + b) + b), for each row by the same weights or by weights of its own.
///
/// The weights of separate networks stand in one tensor, the networks outermost.
final class BottleneckNetwork: PromptNetwork {
    private let rows, width, inner: Int
    /// 1, or one for each row.
    private let networks: Int
    private let activation: Activation
    private let pool: WorkerPool
    private let downWeight, downBias, upWeight, upBias: TrainableParameter
    private let norm: RowNorm?
    private var input: [Float] = []
    private var hidden: [Float] = []

    init(
        name: String, width: Int, settings: MethodSettings, generator: inout SplitMix64, pool: WorkerPool
    ) {
        rows = settings.rows
        self.width = width
        inner = settings.bottleneck
        networks = settings.separateNetworks ? rows : 1
        activation = settings.activation
        self.pool = pool
        let outer = settings.separateNetworks ? [rows] : []
        downWeight = .network("\(name).down.weight", outer + [inner, width], fanIn: width, using: &generator)
        downBias = .network("\(name).down.bias", outer + [inner], fanIn: width, using: &generator)
        upWeight = .network("\(name).up.weight", outer + [width, inner], fanIn: inner, using: &generator)
        upBias = .network("\(name).up.bias", outer + [width], fanIn: inner, using: &generator)
        norm =
            settings.layerNorm
            ? RowNorm(name: "\(name).norm", rows: rows, width: width, networks: networks) : nil
    }

    var parameters: [TrainableParameter] {
        [downWeight, downBias, upWeight, upBias] + (norm?.parameters ?? [])
    }

    func forward(_ x: [Float], dropout: inout SplitMix64?) -> [Float] {
        input = x
        hidden = layer(x, downWeight, downBias, from: width, to: inner)
        activation.apply(to: &hidden)
        let output = layer(hidden, upWeight, upBias, from: inner, to: width)
        return norm?.forward(output) ?? output
    }

    func backward(_ gradient: [Float]) -> [Float] {
        let output = norm?.backward(gradient) ?? gradient
        var inner = back(output, upWeight, upBias, input: hidden, from: self.inner, to: width)
        activation.differentiate(&inner, outputs: hidden)
        return back(inner, downWeight, downBias, input: input, from: width, to: self.inner)
    }

    /// x·Wᵀ + b for each network's rows.
    private func layer(
        _ x: [Float], _ weight: TrainableParameter, _ bias: TrainableParameter, from K: Int, to N: Int
    ) -> [Float] {
        var y: [Float] = []
        y.reserveCapacity(rows * N)
        for row in 0..<rows {
            let first = networks == 1 ? 0 : row * N
            y += bias.values[first..<first + N]
        }
        x.withUnsafeBufferPointer { x in
            y.withUnsafeMutableBufferPointer { y in
                weight.values.withUnsafeBufferPointer { weight in
                    guard let x = x.baseAddress, let y = y.baseAddress, let weight = weight.baseAddress else {
                        return
                    }
                    forEachNetwork { network, rows, products in
                        products.forward(
                            rows.count, N, K, x: x + rows.lowerBound * K, weights: weight + network * N * K,
                            into: y + rows.lowerBound * N, accumulate: true)
                    }
                }
            }
        }
        return y
    }

    /// Adds a layer's gradients, given that of its output, and gives that of its input.
    private func back(
        _ dy: [Float], _ weight: TrainableParameter, _ bias: TrainableParameter, input x: [Float],
        from K: Int, to N: Int
    ) -> [Float] {
        var dx = [Float](repeating: 0, count: rows * K)
        weight.withView { weight in
            bias.withView { bias in
                dy.withUnsafeBufferPointer { dy in
                    x.withUnsafeBufferPointer { x in
                        dx.withUnsafeMutableBufferPointer { dx in
                            guard let dy = dy.baseAddress, let x = x.baseAddress, let dx = dx.baseAddress,
                                let weights = weight.values.baseAddress,
                                let dW = weight.gradient.baseAddress, let db = bias.gradient.baseAddress
                            else { return }
                            forEachNetwork { network, rows, products in
                                let dy = dy + rows.lowerBound * N
                                products.inputGradient(
                                    rows.count, N, K, dy: dy, weights: weights + network * N * K,
                                    into: dx + rows.lowerBound * K)
                                products.addWeightGradient(
                                    rows.count, N, K, dy: dy, x: x + rows.lowerBound * K,
                                    into: dW + network * N * K)
                                LinearProducts.addBiasGradient(
                                    rows.count, N, dy: dy, into: db + network * N)
                            }
                        }
                    }
                }
            }
        }
        return dx
    }

    /// One network computes on all threads; of many each computes on one.
    private func forEachNetwork(_ body: (Int, Range<Int>, LinearProducts) -> Void) {
        if networks == 1 {
            body(0, 0..<rows, LinearProducts(pool: pool))
        } else {
            pool.parallel(networks) { body($0, $0..<$0 + 1, LinearProducts(pool: nil)) }
        }
    }
}

extension Activation {
    /// Replaces values by the function of them.
    func apply(to values: inout [Float]) {
        switch self {
        case .relu: for index in values.indices { values[index] = max(0, values[index]) }
        case .tanh: for index in values.indices { values[index] = Foundation.tanh(values[index]) }
        case .sigmoid: for index in values.indices { values[index] = Self.sigmoid(values[index]) }
        }
    }

    /// Turns gradients of the function's values into those of its arguments. The values say enough.
    func differentiate(_ gradients: inout [Float], outputs: [Float]) {
        for index in gradients.indices {
            let output = outputs[index]
            switch self {
            case .relu: if output <= 0 { gradients[index] = 0 }
            case .tanh: gradients[index] *= 1 - output * output
            case .sigmoid: gradients[index] *= output * (1 - output)
            }
        }
    }

    /// 1 / (1 + e⁻ˣ); for a large negative x e⁻ˣ is infinite and the value 0, as it should be.
    static func sigmoid(_ x: Float) -> Float { 1 / (1 + exp(-x)) }
}
