import Basics
import Tensors

/// Residual prompt tuning: the rows go through networks, and are added to what comes out.
///
/// Source: Razdaibiedina et al., "Residual Prompt Tuning: Improving Prompt Tuning with Residual
/// Reparameterization", 2023.
final class ResidualPrompt: PromptParameterization {
    let rows: Int
    let width: Int
    private let isResidual: Bool
    private let prompt: TrainableParameter
    private let networks: [any PromptNetwork]

    /// - Parameter networks: The first is given the rows, each other one what the one before gives.
    init(rows: Int, width: Int, initialRows: [Float], isResidual: Bool, networks: [any PromptNetwork]) {
        self.rows = rows
        self.width = width
        self.isResidual = isResidual
        self.networks = networks
        prompt = TrainableParameter(
            name: "prompt", shape: [rows, width], group: .prompt, values: initialRows)
    }

    var parameters: [TrainableParameter] { [prompt] + networks.flatMap(\.parameters) }

    func forward(dropout: inout SplitMix64?) -> [Float] {
        var result = prompt.values
        for network in networks { result = network.forward(result, dropout: &dropout) }
        if isResidual {
            let rows = prompt.values
            for index in result.indices { result[index] += rows[index] }
        }
        return result
    }

    func backward(_ gradient: [Float]) {
        precondition(gradient.count == rows * width)
        var inner = gradient
        for network in networks.reversed() { inner = network.backward(inner) }
        prompt.addGradient(inner)
        if isResidual { prompt.addGradient(gradient) }
    }
}
