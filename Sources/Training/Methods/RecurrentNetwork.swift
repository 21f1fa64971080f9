import Basics
import Tensors

/// A bidirectional LSTM over the rows, of one layer or two, each direction half as wide as the rows. Between
/// the layers stands a dropout of 0.05.
///
/// Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997; the form is that of `torch.nn.LSTM`.
final class RecurrentNetwork: PromptNetwork {
    private let rows, width: Int
    private let layers: [Layer]
    private let pool: WorkerPool
    /// What the outputs of each layer but the last were multiplied with; empty when nothing was dropped.
    private var masks: [[Float]] = []

    private struct Layer {
        let forward, backward: LSTMDirection
    }

    /// The share of elements that are dropped in training.
    private static let dropout: Float = 0.05

    init(rows: Int, width: Int, layers: Int, generator: inout SplitMix64, pool: WorkerPool) {
        self.rows = rows
        self.width = width
        self.pool = pool
        self.layers = (1...layers).map { layer in
            func direction(_ name: String, isReversed: Bool) -> LSTMDirection {
                LSTMDirection(
                    name: "network\(layer).\(name)", rows: rows, width: width, isReversed: isReversed,
                    generator: &generator)
            }
            return Layer(
                forward: direction("forward", isReversed: false),
                backward: direction("backward", isReversed: true))
        }
    }

    var parameters: [TrainableParameter] {
        layers.flatMap { $0.forward.parameters + $0.backward.parameters }
    }

    func forward(_ x: [Float], dropout: inout SplitMix64?) -> [Float] {
        var result = x
        masks = []
        for (index, layer) in layers.enumerated() {
            let directions = [layer.forward, layer.backward]
            pool.parallel(2) { directions[$0].forward(result) }
            result = [Float](repeating: 0, count: rows * width)
            layer.forward.copyOutputs(into: &result)
            layer.backward.copyOutputs(into: &result)
            guard index < layers.count - 1, dropout != nil else { continue }
            let mask = result.map { _ in
                (dropout?.uniform() ?? 1) < Self.dropout ? 0 : 1 / (1 - Self.dropout)
            }
            for index in result.indices { result[index] *= mask[index] }
            masks.append(mask)
        }
        return result
    }

    func backward(_ gradient: [Float]) -> [Float] {
        var gradient = gradient
        for (index, layer) in layers.enumerated().reversed() {
            if index < masks.count {
                for (element, factor) in masks[index].enumerated() { gradient[element] *= factor }
            }
            let directions = [layer.forward, layer.backward]
            pool.parallel(2) { directions[$0].backward(gradient) }
            gradient = layer.forward.inputGradient
            for (element, value) in layer.backward.inputGradient.enumerated() { gradient[element] += value }
        }
        return gradient
    }
}
