import T5
import Tensors
import Training

/// A prompt that a benchmark trains on one mini-batch, with an optimizer of its own.
final class TunedPrompt {
    private static let learningRate = 0.3

    private let batch: StepBatch
    private let frozen: FrozenCore
    private let pool: WorkerPool
    private let parameter: TrainableParameter
    private let optimizer = OptimizerSettings.adamW.makeOptimizer()

    /// A prompt before its first step.
    init(_ batch: StepBatch, _ frozen: FrozenCore, _ pool: WorkerPool) {
        self.batch = batch
        self.frozen = frozen
        self.pool = pool
        let width = frozen.configuration.modelWidth
        parameter = TrainableParameter(
            name: "prompt", shape: [batch.prompt.count / width, width], group: .prompt, values: batch.prompt)
    }

    /// Takes a step.
    ///
    /// - Returns: The mean loss an id before it.
    @discardableResult
    func step() throws(T5Error) -> Double { try Self.step([self], frozen)[0] }

    /// Takes a step of several prompts in one ragged batch.
    ///
    /// - Returns: Each one's mean loss an id before it.
    @discardableResult
    static func step(_ prompts: [TunedPrompt], _ frozen: FrozenCore) throws(T5Error) -> [Double] {
        var sequences: [TrainingSequence] = []
        for (index, prompt) in prompts.enumerated() {
            for var sequence in prompt.batch.sequences {
                sequence.prompt = index
                sequences.append(sequence)
            }
        }
        let result = try frozen.gradients(
            prompts: prompts.map(\.parameter.values), sequences: sequences, dropoutSeed: 0)
        var losses = result.losses[...]
        return zip(prompts, result.prompts).map { prompt, gradient in
            prompt.update(gradient)
            let count = prompt.batch.sequences.count
            defer { losses = losses.dropFirst(count) }
            return losses.prefix(count).reduce(0) { $0 + Double($1) } / Double(prompt.batch.targetCount)
        }
    }

    private func update(_ gradient: [Float]) {
        parameter.gradient = gradient
        optimizer.step([parameter], pool: pool) { _ in Self.learningRate }
    }
}
