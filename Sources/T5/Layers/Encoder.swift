import Tensors

/// T5's encoder (Raffel et al. 2020, section 2.1): layers of self-attention and feed-forward, each over the RMSNorm of
/// the residual stream and added to it, then a last norm.
extension LayerOperations {
    /// Takes stacked sequences through the encoder, group by group.
    ///
    /// - Parameters:
    ///   - x: The input rows `[rows, d_model]`; without a trace the output takes their place.
    ///   - lengths: Where each sequence begins, and the number of rows as the last.
    ///   - trace: What keeps the pass for the way back; `nil` in serving.
    package func encode(_ x: Rows<Float>, lengths: [Int], _ trace: (any ForwardTrace<Element>)? = nil) {
        encoderBias.cover(zip(lengths, lengths.dropFirst()).map { $1 - $0 }.max() ?? 0)
        forEachPart(of: lengths) { encode(x.from($0.first), $0, trace) }
    }

    /// Calls `body` for each group of sequences that passes through the layers together.
    package func forEachPart(of lengths: [Int], _ body: (Part) -> Void) {
        pool.forEachGroup(groups(lengths)) { sequences, team in
            workspaces.lend { body(Part(sequences, of: lengths, team: team, workspace: $0)) }
        }
    }

    private func encode(_ input: Rows<Float>, _ part: Part, _ trace: (any ForwardTrace<Element>)?) {
        var x = input
        trace?.dropInput(x, of: .encoder, part)
        for (index, layer) in weights.encoder.enumerated() {
            let attention = layer.attention
            x = self.attention(
                x, attention.norm, attention.qkv, columns: 3 * inner, output: attention.o,
                .encoderAttention(index), part, trace
            ) { qkv, dropout, context in
                attend(
                    part.spans, q: qkv, k: qkv.column(inner), v: qkv.column(2 * inner), bias: encoderBias,
                    dropout: dropout, into: context, part)
            }
            x = feedForward(x, layer.feedForward, .encoderFeedForward(index), part, trace)
        }
        let output = trace?.output(of: .encoder, part) ?? x
        normalize(x, weights.encoderNorm, into: output, part)
        trace?.finish(output, of: .encoder, part)
    }
}
