import Basics
import Tensors

/// Tensors from a core directory.
struct T5CheckpointSource: T5TensorSource {
    let checkpoint: T5Checkpoint
    let configuration: T5Configuration
    var fingerprint = CoreFingerprint()
    private var isUntied = false

    init(directory: String, configuration: T5Configuration) throws(T5Error) {
        self.configuration = configuration
        checkpoint = try T5Checkpoint(directory: directory)
        try Self.refuseSurplusLayers(checkpoint, configuration)
    }

    /// A checkpoint with more layers than the configuration states would load and give wrong answers.
    private static func refuseSurplusLayers(_ checkpoint: T5Checkpoint, _ c: T5Configuration) throws(T5Error)
    {
        for name in checkpoint.names {
            // By bytes: a name may be anything.
            let parts = name.utf8.split(separator: UInt8(ascii: "."), maxSplits: 3).prefix(3).map {
                $0.count > 20 ? "" : String(Substring($0))
            }
            guard parts.count > 2, parts[1].isSame(as: "block"), let index = Int(parts[2]) else { continue }
            let layers =
                parts[0].isSame(as: "encoder")
                ? c.encoderLayers : parts[0].isSame(as: "decoder") ? c.decoderLayers : Int.max
            if index >= layers {
                throw T5Error(
                    .weights,
                    "\(checkpoint.directory) holds \(name.excerpt), but its config.json states \(layers) "
                        + "\(parts[0]) layers")
            }
        }
    }

    mutating func tensor(_ name: String, _ shape: [Int]) throws(T5Error) -> StoredTensor {
        use(try checkpoint.require(name, shape: shape))
    }

    mutating func embedding(_ shape: [Int]) throws(T5Error) -> StoredTensor {
        var names = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]
        if configuration.tieWordEmbeddings { names.append("lm_head.weight") }
        guard let tensor = try checkpoint.find(names, shape: shape) else {
            throw T5Error(
                .weights,
                "\(checkpoint.directory) lacks the tensor shared.weight \(shape), which its config.json calls for"
            )
        }
        return use(tensor)
    }

    /// Untied are the cores whose configuration says so, and those that transformers 5 wrote (it states
    /// `tie_word_embeddings: true` for every T5 and adds `scale_decoder_outputs`) with a head of their own.
    mutating func untiedHead(_ shape: [Int], embedding: StoredTensor) throws(T5Error) -> StoredTensor? {
        if configuration.tieWordEmbeddings {
            guard configuration.scaleDecoderOutputs != nil,
                let stored = try checkpoint.find(["lm_head.weight"], shape: shape)
            else { return nil }
            let isEqual =
                stored.elementType == embedding.elementType && stored.bytes.elementsEqual(embedding.bytes)
            guard !isEqual else { return nil }
            return use(stored)
        }
        return use(try checkpoint.require("lm_head.weight", shape: shape))
    }

    private mutating func use(_ tensor: StoredTensor) -> StoredTensor {
        fingerprint.include(tensor)
        return tensor
    }
}
