import Tensors

/// Gives the tensors of a core by checkpoint name and shape: from files, or made up.
protocol T5TensorSource {
    mutating func tensor(_ name: String, _ shape: [Int]) throws(T5Error) -> StoredTensor
    /// The LM head when the core is untied.
    mutating func untiedHead(_ shape: [Int], embedding: StoredTensor) throws(T5Error) -> StoredTensor?
    /// The embedding table.
    mutating func embedding(_ shape: [Int]) throws(T5Error) -> StoredTensor
}

extension CheckpointWeights<StoredTensor> {
    /// Collects all tensors of a configuration from a source.
    init(_ c: T5Configuration, from source: inout some T5TensorSource) throws(T5Error) {
        let d = c.modelWidth
        let inner = c.innerWidth
        embedding = try source.embedding([c.vocabularySize, d])
        let untied = try source.untiedHead([c.vocabularySize, d], embedding: embedding)
        isTied = untied == nil

        func attention(
            _ prefix: String, _ names: [String], _ source: inout some T5TensorSource
        ) throws(T5Error) -> [StoredTensor] {
            var tensors: [StoredTensor] = []
            for name in names { tensors.append(try source.tensor("\(prefix).\(name).weight", [inner, d])) }
            return tensors
        }
        func selfAttention(
            _ block: String, _ source: inout some T5TensorSource
        ) throws(T5Error) -> Layers.SelfAttention {
            Layers.SelfAttention(
                norm: try source.tensor("\(block).0.layer_norm.weight", [d]),
                qkv: try attention("\(block).0.SelfAttention", ["q", "k", "v"], &source),
                o: [try source.tensor("\(block).0.SelfAttention.o.weight", [d, inner])])
        }
        func crossAttention(
            _ block: String, _ source: inout some T5TensorSource
        ) throws(T5Error) -> Layers.CrossAttention {
            Layers.CrossAttention(
                norm: try source.tensor("\(block).1.layer_norm.weight", [d]),
                q: try attention("\(block).1.EncDecAttention", ["q"], &source),
                kv: try attention("\(block).1.EncDecAttention", ["k", "v"], &source),
                o: [try source.tensor("\(block).1.EncDecAttention.o.weight", [d, inner])])
        }
        func feedForward(
            _ layer: String, _ source: inout some T5TensorSource
        ) throws(T5Error) -> Layers.FeedForward {
            let norm = try source.tensor("\(layer).layer_norm.weight", [d])
            var wi: [StoredTensor] = []
            for name in c.feedForward.inputNames {
                wi.append(
                    try source.tensor("\(layer).DenseReluDense.\(name).weight", [c.feedForwardWidth, d]))
            }
            return Layers.FeedForward(
                norm: norm, wi: wi,
                wo: [try source.tensor("\(layer).DenseReluDense.wo.weight", [d, c.feedForwardWidth])])
        }
        let bias = "layer.0.SelfAttention.relative_attention_bias.weight"
        let encoderBias = try source.tensor("encoder.block.0.\(bias)", [c.relativeBuckets, c.heads])
        let decoderBias = try source.tensor("decoder.block.0.\(bias)", [c.relativeBuckets, c.heads])
        var encoder: [Layers.EncoderLayer] = []
        for index in 0..<c.encoderLayers {
            let block = "encoder.block.\(index).layer"
            encoder.append(
                Layers.EncoderLayer(
                    attention: try selfAttention(block, &source),
                    feedForward: try feedForward("\(block).1", &source)))
        }
        var decoder: [Layers.DecoderLayer] = []
        for index in 0..<c.decoderLayers {
            let block = "decoder.block.\(index).layer"
            decoder.append(
                Layers.DecoderLayer(
                    attention: try selfAttention(block, &source),
                    crossAttention: try crossAttention(block, &source),
                    feedForward: try feedForward("\(block).2", &source)))
        }
        layers = Layers(
            head: [untied ?? embedding],
            headScale: c.scaleDecoderOutputs ?? isTied ? 1 / Float(d).squareRoot() : 1,
            encoderBias: encoderBias, decoderBias: decoderBias, encoder: encoder,
            encoderNorm: try source.tensor("encoder.final_layer_norm.weight", [d]), decoder: decoder,
            decoderNorm: try source.tensor("decoder.final_layer_norm.weight", [d]))
    }
}
