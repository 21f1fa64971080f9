import Tensors

/// What the decoder's rows attend to.
package protocol DecoderMemory<Element> {
    associatedtype Element: BitwiseCopyable

    /// Self-attention of a layer.
    ///
    /// - Parameter qkv: The rows' queries, keys and values, side by side.
    func attend(
        layer: Int, qkv: Rows<Element>, dropout: DropoutSite?, into context: Rows<Element>, _ part: Part)

    /// Attention of a layer to the encoder's output.
    func attendToEncoder(
        layer: Int, q: Rows<Element>, dropout: DropoutSite?, into context: Rows<Element>, _ part: Part)
}

/// T5's decoder (Raffel et al. 2020, section 2.1): layers of causal self-attention, attention to the encoder's output
/// (without position bias) and feed-forward, each over the RMSNorm of the residual stream and added to it, then a last
/// norm.
extension LayerOperations {
    /// Takes rows through the decoder: all that a pass reads, of all sequences.
    ///
    /// - Parameters:
    ///   - x: The input rows `[rows, d_model]`; without a trace the output takes their place.
    ///   - trace: What keeps the pass for the way back; `nil` in serving.
    package func decode(
        _ input: Rows<Float>, _ memory: some DecoderMemory<Element>, _ part: Part,
        _ trace: (any ForwardTrace<Element>)? = nil
    ) {
        var x = input
        trace?.dropInput(x, of: .decoder, part)
        for (index, layer) in weights.decoder.enumerated() {
            let (own, cross) = (layer.attention, layer.crossAttention)
            x = attention(
                x, own.norm, own.qkv, columns: 3 * inner, output: own.o, .decoderAttention(index), part, trace
            ) { qkv, dropout, context in
                memory.attend(layer: index, qkv: qkv, dropout: dropout, into: context, part)
            }
            x = attention(
                x, cross.norm, cross.q, columns: inner, output: cross.o, .crossAttention(index), part, trace
            ) { q, dropout, context in
                memory.attendToEncoder(layer: index, q: q, dropout: dropout, into: context, part)
            }
            x = feedForward(x, layer.feedForward, .decoderFeedForward(index), part, trace)
        }
        let output = trace?.output(of: .decoder, part) ?? x
        normalize(x, weights.decoderNorm, scale: weights.headScale, into: output, part)
        trace?.finish(output, of: .decoder, part)
    }
}
