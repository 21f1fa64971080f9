import Basics
import Tensors

/// A network that a prompt's rows go through on their way to the core.
protocol PromptNetwork: AnyObject {
    /// Its weights, always in the same order.
    var parameters: [TrainableParameter] { get }
    /// The rows `[rows, width]` after the network. `dropout` is what its dropout draws from; `nil` in
    /// evaluation.
    func forward(_ x: [Float], dropout: inout SplitMix64?) -> [Float]
    /// Adds the weights' gradients, and gives that of the last input.
    func backward(_ gradient: [Float]) -> [Float]
}

extension TrainableParameter {
    /// A network's weights, drawn between ±1/√fanIn as torch initializes them.
    static func network(
        _ name: String, _ shape: [Int], fanIn: Int, using generator: inout SplitMix64
    ) -> TrainableParameter {
        let bound = 1 / Float(fanIn).squareRoot()
        return TrainableParameter(
            name: name, shape: shape, group: .network,
            values: (0..<shape.reduce(1, *)).map { _ in generator.uniform(bound: bound) })
    }

    /// A network's weights, all of one value.
    static func network(_ name: String, _ shape: [Int], repeating value: Float) -> TrainableParameter {
        TrainableParameter(
            name: name, shape: shape, group: .network,
            values: [Float](repeating: value, count: shape.reduce(1, *)))
    }
}
