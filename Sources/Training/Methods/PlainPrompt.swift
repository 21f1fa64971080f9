import Basics
import Tensors

/// Prompt tuning: the rows themselves are trained.
///
/// Source: Lester, Al-Rfou and Constant, "The Power of Scale for Parameter-Efficient Prompt Tuning", 2021.
final class PlainPrompt: PromptParameterization {
    let rows: Int
    let width: Int
    private let prompt: TrainableParameter

    init(rows: Int, width: Int, initialRows: [Float]) {
        self.rows = rows
        self.width = width
        prompt = TrainableParameter(
            name: "prompt", shape: [rows, width], group: .prompt, values: initialRows)
    }

    var parameters: [TrainableParameter] { [prompt] }

    func forward(dropout: inout SplitMix64?) -> [Float] { prompt.values }

    func backward(_ gradient: [Float]) { prompt.addGradient(gradient) }
}
