import Basics
import Foundation
import T5
import Tensors

/// A core whose own weights are tuned, in float32: a pass adds the gradients of the weights to those of its tensors,
/// beside giving those of the prompts.
///
/// One instance serves one thread at a time.
public final class TrainableCore: DifferentiableCore {
    /// The core's configuration.
    public var configuration: T5Configuration { core.configuration }
    /// The directory that the core was loaded from.
    public let directory: String
    /// The share of elements that dropout drops.
    public let dropout: Float
    /// The tensors that are tuned. A tied head is the embedding.
    public let parameters: [TrainableTensor]

    /// The core as it was loaded, and its tensors.
    private let core: T5Core
    private let stored: CheckpointWeights<StoredTensor>
    private let pool: WorkerPool
    private let tensors: [String: TrainableTensor]
    private let differentiate: (TrainingBatch, [[Float]], UInt64) -> (losses: [Double], prompts: [[Float]])

    /// Loads a core to be tuned.
    ///
    /// - Parameters:
    ///   - directory: A Hugging Face T5 directory.
    ///   - trainable: Says by its checkpoint name whether a tensor is tuned; all are by default.
    ///   - pool: The threads that compute.
    ///   - dropout: The share of elements dropped within the core, from 0 to below 1.
    /// - Throws: `T5Error` when the core cannot be loaded, no tensor is tuned, or `dropout` is out of range.
    public convenience init(
        directory: String, trainable: (String) -> Bool = { _ in true }, pool: WorkerPool, dropout: Float = 0
    ) throws(T5Error) {
        try self.init(
            directory: directory, trainable: trainable, pool: pool, dropout: dropout, keptBytes: 512 << 20)
    }

    /// - Parameter keptBytes: The most memory for what the backward pass would else compute again.
    package init(
        directory: String, trainable: (String) -> Bool, pool: WorkerPool, dropout: Float, keptBytes: Int
    ) throws(T5Error) {
        self.dropout = try FrozenCore.checked(dropout)
        self.directory = directory
        self.pool = pool
        core = try T5Core(directory, precision: .float32, pool: pool)
        guard let stored = core.storedWeights else {
            throw T5Error(.configuration, "\(directory) was not loaded in float32")
        }
        self.stored = stored
        var parameters: [TrainableTensor] = []
        var tensors: [String: TrainableTensor] = [:]
        var gradients: [UnsafePointer<Float>: UnsafeMutablePointer<Float>] = [:]
        let weights = stored.map { stored -> FloatTensor in
            guard trainable(stored.name) else { return stored.floats() }
            let tensor = TrainableTensor(stored)
            parameters.append(tensor)
            tensors[stored.name] = tensor
            let values = UnsafePointer(tensor.memory.floats)
            gradients[values] = tensor.gradientMemory.floats
            return FloatTensor(shape: stored.shape, pointer: values, owner: tensor.memory)
        }
        guard !parameters.isEmpty else {
            throw T5Error(
                .configuration,
                "no tensor of \(directory) is to be tuned; name at least one, such as shared.weight")
        }
        self.parameters = parameters
        self.tensors = tensors
        let forward = Float32Operations(
            weights.layers.map(matrix: { pieces, _, _ in Float32Matrix(pieces: pieces) }, tensor: { $0 }),
            embedding: tensors[stored.embedding.name].map { $0.stored(path: directory) } ?? stored.embedding,
            configuration: core.configuration, pool: pool)
        let backward = Float32Backward(forward, gradients: gradients)
        differentiate = FrozenCore.pass(backward, dropout: dropout, keptBytes: keptBytes)
    }

    /// Sets all gradients to 0.
    public func zeroGradients() {
        for tensor in parameters {
            pool.ranges(of: tensor.count, grain: 4096) { range in
                (tensor.gradientMemory.floats + range.lowerBound).update(repeating: 0, count: range.count)
            }
        }
    }

    /// One pass forward and back. The gradients of the weighted sum of the losses are added to those of `parameters`.
    public func gradients(
        prompts: [[Float]], sequences: [TrainingSequence], dropoutSeed: UInt64
    ) throws(T5Error) -> PromptGradients {
        let batch = try TrainingBatch(prompts: prompts, sequences: sequences, configuration: configuration)
        let (losses, gradients) = differentiate(batch, prompts, dropoutSeed)
        return try PromptGradients(checked: losses, gradients)
    }

    /// A core of the weights as they are now, for the serving engine; later training does not change it.
    ///
    /// - Throws: `T5Error` naming the first tensor with a value that is not finite.
    public func servingCore() throws(T5Error) -> T5Core {
        let weights = stored.map { stored -> StoredTensor in
            let copy = AlignedBuffer(stored.count, of: Float.self)
            if let tensor = tensors[stored.name] {
                copy.floats.update(from: tensor.memory.floats, count: stored.count)
            } else {
                stored.elementType.widen(stored.bytes, into: copy.floats)
            }
            return StoredTensor(
                name: stored.name, elementType: .float32, shape: stored.shape, path: directory,
                bytes: UnsafeRawBufferPointer(start: copy.floats, count: stored.count * 4), owner: copy)
        }
        return try T5Core(core, with: weights, pool: pool)
    }

    /// Writes the core as a Hugging Face directory: `config.json` and the tokenizer's files as they were, and
    /// `model.safetensors`. It appears under its name complete or not at all.
    ///
    /// - Parameters:
    ///   - destination: A path where nothing is yet, or an empty directory.
    ///   - keepingElementTypes: Whether each tensor is stored as it was before, rounded if need be; else float32, and
    ///     the directory has the fingerprint of `servingCore()`.
    /// - Throws: `T5Error` when a value is not finite or something cannot be written.
    public func write(to destination: String, keepingElementTypes: Bool = false) throws(T5Error) {
        try write(to: destination, keepingElementTypes: keepingElementTypes, others: [])
    }

    /// The same with other files, by their names.
    func write(
        to destination: String, keepingElementTypes: Bool = false, others: [(name: String, text: String)]
    ) throws(T5Error) {
        let serving = try servingCore()
        var tensors: [StoredTensor] = []
        _ = serving.storedWeights?.map { tensors.append($0) }
        var types: [String: ElementType] = [:]
        if keepingElementTypes { _ = stored.map { types[$0.name] = $0.elementType } }
        do {
            try CoreDirectory(source: directory, destination: destination).write(
                tensors, types: types, others: others)
        } catch let error as T5Error {
            throw error
        } catch {
            throw T5Error(.unwritable, "cannot write the core \(destination): \(error.localizedDescription)")
        }
    }
}
