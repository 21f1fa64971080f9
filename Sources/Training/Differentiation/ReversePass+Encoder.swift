import CKernels
import T5
import Tensors

/// The encoder over one group of sequences.
extension ReversePass {
    func encode(_ part: Part) {
        let matrices = arithmetic.matrices
        let stream = memory.encoderStream.map { $0.from(part.first) }
        drop(stream[0], .encoderInput, 0, part)
        for (index, layer) in matrices.encoder.enumerated() {
            attend(
                stream[2 * index], into: stream[2 * index + 1], layer.attention, arithmetic.encoderBias,
                projected: memory.encoderProjected[index]?.from(part.first), .encoder(index), part)
            feedForward(
                stream[2 * index + 1], into: stream[2 * index + 2], layer.feedForward,
                wide: memory.encoderWide[index]?.from(part.first), .encoder(index), part)
        }
        let encoded = memory.encoded.from(part.first)
        normalize(stream[stream.count - 1], matrices.encoderNorm, into: encoded, part)
        drop(encoded, .encoderOutput, 0, part)
        arithmetic.copyElements(encoded, part.count, into: memory.encodedElements.from(part.first), part)
    }

    func differentiateEncoder(_ part: Part) {
        let matrices = arithmetic.matrices
        let stream = memory.encoderStream.map { $0.from(part.first) }
        let g = memory.encoderGradient.from(part.first)
        let encodedGradient = memory.encodedGradient.from(part.first)
        drop(encodedGradient, .encoderOutput, 0, part)
        clear(g, part)
        normGradient(stream[stream.count - 1], matrices.encoderNorm, encodedGradient, addingTo: g, part)
        for (index, layer) in matrices.encoder.enumerated().reversed() {
            feedForwardGradient(
                stream[2 * index + 1], layer.feedForward, wide: memory.encoderWide[index]?.from(part.first),
                .encoder(index), g, part)
            attentionGradient(
                stream[2 * index], layer.attention, arithmetic.encoderBias,
                projected: memory.encoderProjected[index]?.from(part.first), .encoder(index), g, part,
                only: index == 0 && !arithmetic.tracksWeights ? promptRows(part) : nil)
        }
        drop(g, .encoderInput, 0, part)
    }

    /// The prompts' rows: all that the first layer's input gradient is needed for when only prompts are trained.
    private func promptRows(_ part: Part) -> [Range<Int>] {
        zip(part.items, part.spans).map { item, span in
            span.queries.lowerBound..<span.queries.lowerBound + batch.items[item].promptRows
        }
    }
}
