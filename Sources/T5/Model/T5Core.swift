import Foundation
import Tensors

/// A frozen T5: its configuration and weights, loaded once and shared by all sessions.
public final class T5Core: Sendable {
    /// How the core computes.
    public enum Precision: String, Sendable, CaseIterable {
        /// Float32 on OpenBLAS: the reference mode.
        case float32
        /// bfloat16 weights and activations, float32 sums: the default where the CPU multiplies bfloat16.
        case bfloat16
        /// int8 weights with a scale for each output channel, int8 activations with a scale for each row.
        case int8

        /// The default for a processor: bfloat16 where it multiplies bfloat16 in hardware, float32 elsewhere.
        public static func preferred(by processor: Processor) -> Precision {
            processor.hasBFloat16 ? .bfloat16 : .float32
        }
    }

    /// The core's configuration.
    public let configuration: T5Configuration
    /// Identifies the core: 64 hexadecimal digits over its tensors and the configuration fields that change
    /// the result. Prompts are bound to it.
    public let fingerprint: String
    /// How the core computes.
    public let precision: Precision

    /// What whoever loaded the core should know, a sentence each.
    public let warnings: [String]

    /// The embedding table `[vocab_size, d_model]`: as it is stored, but in bfloat16 where the fast modes would have
    /// to read float32.
    package let embedding: StoredTensor
    /// The LM head, as it is stored; the embedding table when they are tied.
    package let head: StoredTensor
    /// All tensors as they are stored; `nil` where they are packed, so that nothing holds them in memory twice.
    package let storedWeights: CheckpointWeights<StoredTensor>?
    /// The tensors in the form that the precision computes with.
    private let compute: Compute

    private enum Compute: Sendable {
        case float32(T5Weights<Float32Matrix, FloatTensor>)
        case packed(PackedWeights)
    }

    /// The matrices as float32, `nil` in another precision.
    package var floatWeights: T5Weights<Float32Matrix, FloatTensor>? {
        if case .float32(let weights) = compute { weights } else { nil }
    }

    /// The packed matrices, `nil` in float32.
    package var packedWeights: PackedWeights? {
        if case .packed(let weights) = compute { weights } else { nil }
    }

    /// Layers for one session.
    func makeLayers(pool: WorkerPool) -> any T5Layers {
        switch compute {
        case .float32(let weights):
            SessionLayers(
                Float32Operations(
                    weights, embedding: embedding, configuration: configuration, pool: pool))
        case .packed(let weights):
            SessionLayers(
                PackedOperations(weights, configuration: configuration, pool: pool))
        }
    }

    /// Loads a core.
    ///
    /// - Parameters:
    ///   - source: A Hugging Face T5 directory (`config.json` and `model.safetensors`, or its sharded form), or
    ///     `random:SHAPE` for a randomly initialized core of a published shape.
    ///   - precision: How to compute; `nil` for the processor's default.
    ///   - pool: The threads that load.
    /// - Throws: `T5Error` naming the file, key or tensor at fault.
    public init(_ source: String, precision: Precision? = nil, pool: WorkerPool) throws(T5Error) {
        let processor: Processor
        do { processor = try Processor.current() } catch { throw T5Error(.configuration, error.message) }
        let precision = precision ?? .preferred(by: processor)
        self.precision = precision
        let files: [SafetensorsFile]
        let weights: CheckpointWeights<StoredTensor>
        let isRandom: Bool
        switch CoreSource(source) {
        case .random:
            isRandom = true
            configuration = try CoreSource(source).configuration()
            var tensors = RandomCoreSource(configuration: configuration, pool: pool)
            files = []
            weights = try CheckpointWeights(configuration, from: &tensors)
            fingerprint = try CoreFingerprint().digest(
                configuration: configuration, facts: "\(source)\n", pool: pool)
        case .directory:
            isRandom = false
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: source, isDirectory: &isDirectory),
                isDirectory.boolValue
            else { throw T5Error(.unreadable, "there is no core directory \(source)") }
            configuration = try CoreSource(source).configuration()
            var tensors = try T5CheckpointSource(directory: source, configuration: configuration)
            files = tensors.checkpoint.files
            weights = try CheckpointWeights(configuration, from: &tensors)
            fingerprint = try tensors.fingerprint.digest(
                configuration: configuration, facts: "head_scale \(weights.layers.headScale.bitPattern)\n",
                pool: pool)
        }
        storedWeights = precision == .float32 ? weights : nil
        let (fingerprint, headWidth) = (fingerprint, configuration.headWidth)
        func pack(_ precision: PackedPrecision) -> PackedWeights {
            let packed = PackedWeights(
                weights, headWidth: headWidth, precision: precision,
                fingerprint: isRandom ? nil : fingerprint, pool: pool)
            // What packing has read of the checkpoint need not stay in memory; the little that is still used
            // (norms, embedding rows in 16 bits) comes back by itself.
            files.forEach { $0.release() }
            return packed
        }
        compute =
            switch precision {
            case .float32: .float32(weights.layers.floats())
            case .bfloat16: .packed(pack(.bfloat16))
            case .int8: .packed(pack(.int8))
            }
        warnings =
            if case .packed(let packed) = compute, let warning = packed.warning { [warning] } else { [] }
        if case .packed(let packed) = compute {
            embedding = packed.embedding
            head = weights.isTied ? packed.embedding : weights.layers.head[0]
        } else {
            embedding = weights.embedding
            head = weights.layers.head[0]
        }
    }

    /// A float32 core over other tensors of the same names and shapes: what training has made of one.
    ///
    /// Its fingerprint is that of a directory with this configuration and these tensors.
    ///
    /// - Throws: `T5Error` naming the first tensor with a value that is not finite.
    package init(_ core: T5Core, with weights: CheckpointWeights<StoredTensor>, pool: WorkerPool)
        throws(T5Error)
    {
        configuration = core.configuration
        precision = .float32
        warnings = []
        embedding = weights.embedding
        head = weights.layers.head[0]
        storedWeights = weights
        var fingerprint = CoreFingerprint()
        _ = weights.map { fingerprint.include($0) }
        self.fingerprint = try fingerprint.digest(
            configuration: configuration, facts: "head_scale \(weights.layers.headScale.bitPattern)\n",
            pool: pool)
        compute = .float32(weights.layers.floats())
    }

    /// Bytes of the packed matrices; `nil` in float32, which has none.
    package var packedByteCount: Int? { packedWeights?.byteCount }
}
