import T5
import Tensors

/// The way back through both stacks, layer by layer.
extension ReversePass {
    /// - Parameter gradient: At the decoder's output.
    func differentiateDecoder(_ part: Part, _ memory: AnswerMemory<Backward>, _ gradient: Rows<Float>) {
        let layers = forward.weights.decoder
        let g = self.memory.decoderGradient
        trace.dropOutput(gradient, of: .decoder, part)
        g.clear(part, width: width)
        part.team.split(encoderRows, grain: 8) { range in
            self.memory.encodedGradient.row(range.lowerBound).update(
                repeating: 0, count: range.count * width)
        }
        let last = trace.stream(before: .decoderAttention(layers.count), part)
        finalNormGradient(
            last, forward.weights.decoderNorm, scale: forward.weights.headScale, gradient, addingTo: g,
            part)
        for (index, layer) in layers.enumerated().reversed() {
            feedForwardGradient(.decoderFeedForward(index), layer.feedForward, g, part)
            crossAttentionGradient(.crossAttention(index), layer.crossAttention, index, memory, g, part)
            selfAttentionGradient(
                .decoderAttention(index), layer.attention, forward.decoderBias, g, part)
        }
        trace.dropInput(g, of: .decoder, part)
    }

    func differentiateEncoder(_ part: Part) {
        let layers = forward.weights.encoder
        let g = memory.encoderGradient.from(part.first)
        let encodedGradient = memory.encodedGradient.from(part.first)
        trace.dropOutput(encodedGradient, of: .encoder, part)
        g.clear(part, width: width)
        let last = trace.stream(before: .encoderAttention(layers.count), part)
        finalNormGradient(last, forward.weights.encoderNorm, encodedGradient, addingTo: g, part)
        for (index, layer) in layers.enumerated().reversed() {
            feedForwardGradient(.encoderFeedForward(index), layer.feedForward, g, part)
            selfAttentionGradient(
                .encoderAttention(index), layer.attention, forward.encoderBias, g, part,
                only: index == 0 && !backward.tracksWeights ? promptRows(part) : nil)
        }
        trace.dropInput(g, of: .encoder, part)
    }

    /// The prompts' rows: all that the first layer's input gradient is needed for when only prompts are trained.
    private func promptRows(_ part: Part) -> [Range<Int>] {
        zip(part.sequences, part.spans).map { item, span in
            span.queries.lowerBound..<span.queries.lowerBound + batch.items[item].promptRows
        }
    }
}
