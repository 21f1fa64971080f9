import CKernels
import T5
import Tensors

/// A frozen core that a loss can be differentiated through, down to the rows of soft prompts: float32 or bfloat16, as
/// the core computes.
///
/// For the same batch the result is the same bits, whatever else the process does. In bfloat16 it does not depend on
/// the number of threads either, and what a sequence contributes, in loss and gradient, does not depend on the others
/// of its batch; a prompt's gradient is their sum in the sequences' order.
///
/// One instance serves one thread at a time.
public final class FrozenCore: DifferentiableCore {
    /// The core that is differentiated through.
    public let core: T5Core
    /// The share of elements that dropout drops.
    public let dropout: Float
    private let differentiate: (TrainingBatch, [[Float]], UInt64) -> (losses: [Double], prompts: [[Float]])

    /// The core's configuration.
    public var configuration: T5Configuration { core.configuration }

    /// Prepares a core: in bfloat16 its matrices are packed once more, transposed.
    ///
    /// - Parameters:
    ///   - core: In float32 or bfloat16.
    ///   - pool: The threads that compute.
    ///   - dropout: The share of elements dropped within the core, from 0 to below 1; 0 trains prompts best.
    /// - Throws: `T5Error` when the core is int8, which cannot be differentiated, or `dropout` is out of range.
    public convenience init(core: T5Core, pool: WorkerPool, dropout: Float = 0) throws(T5Error) {
        try self.init(core: core, pool: pool, dropout: dropout, keptBytes: 512 << 20)
    }

    /// - Parameter keptBytes: The most memory for what the backward pass would else compute again.
    package init(core: T5Core, pool: WorkerPool, dropout: Float, keptBytes: Int) throws(T5Error) {
        self.core = core
        self.dropout = try Self.checked(dropout)
        if let weights = core.floatWeights {
            let backward = Float32Backward(
                Float32Operations(
                    weights, embedding: core.embedding, configuration: core.configuration, pool: pool))
            differentiate = Self.pass(backward, dropout: dropout, keptBytes: keptBytes)
        } else if let weights = core.packedWeights, weights.precision == .bfloat16 {
            differentiate = Self.pass(
                BFloat16Backward(core, weights, pool: pool), dropout: dropout, keptBytes: keptBytes)
        } else {
            throw T5Error(
                .configuration,
                "a core in \(core.precision.rawValue) cannot be trained through; load it in float32 or bfloat16"
            )
        }
    }

    /// One pass forward and back; see `DifferentiableCore`.
    public func gradients(
        prompts: [[Float]], sequences: [TrainingSequence], dropoutSeed: UInt64
    ) throws(T5Error) -> PromptGradients {
        let batch = try TrainingBatch(prompts: prompts, sequences: sequences, configuration: configuration)
        let (losses, gradients) = differentiate(batch, prompts, dropoutSeed)
        return try PromptGradients(checked: losses, gradients)
    }

    static func checked(_ dropout: Float) throws(T5Error) -> Float {
        guard dropout >= 0, dropout < 1 else {
            throw T5Error(
                .configuration, "the dropout rate is \(dropout); a number from 0 to below 1 was expected")
        }
        return dropout
    }

    /// Passes in one number format, which keep their memory.
    static func pass(
        _ backward: some BackwardOperations, dropout: Float, keptBytes: Int
    ) -> (TrainingBatch, [[Float]], UInt64) -> (losses: [Double], prompts: [[Float]]) {
        let storage = PassStorage()
        return { batch, prompts, seed in
            var losses = [Double](repeating: 0, count: batch.sequenceCount)
            var gradients = prompts.map { [Float](repeating: 0, count: $0.count) }
            guard !batch.items.isEmpty else { return (losses, gradients) }
            let control = pp_flush_denormals()
            defer { pp_restore_denormals(control) }
            let pass = ReversePass(
                backward, batch, dropout: dropout > 0 ? Dropout(seed: seed, rate: dropout) : nil, storage,
                keptBytes: keptBytes)
            pass.run(prompts: prompts, losses: &losses, gradients: &gradients)
            return (losses, gradients)
        }
    }
}

extension PromptGradients {
    /// Refuses what is not finite.
    init(checked losses: [Double], _ gradients: [[Float]]) throws(T5Error) {
        if let sequence = losses.firstIndex(where: { !Float($0).isFinite }) {
            throw T5Error(
                .input,
                "the loss of sequence \(sequence) is \(losses[sequence]): its prompt's values are too large; "
                    + "lower the learning rate")
        }
        for (index, gradient) in gradients.enumerated() {
            let place = gradient.withUnsafeBufferPointer { values in
                values.baseAddress.map { pp_first_not_finite_32($0, values.count) } ?? 0
            }
            guard place == gradient.count else {
                throw T5Error(
                    .input,
                    "the gradient of prompt \(index) has the value \(gradient[place]): its values, or the weights of "
                        + "its sequences, are too large; lower the learning rate")
            }
        }
        self.init(losses: losses.map { Float($0) }, prompts: gradients)
    }
}
