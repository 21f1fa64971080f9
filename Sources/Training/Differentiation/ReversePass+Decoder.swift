import CKernels
import T5
import Tensors

/// The decoder over all sequences.
extension ReversePass {
    func decode(_ part: Part) {
        let matrices = arithmetic.matrices
        let stream = memory.decoderStream
        drop(stream[0], .decoderInput, 0, part)
        for (index, layer) in matrices.decoder.enumerated() {
            attend(
                stream[3 * index], into: stream[3 * index + 1], layer.attention, arithmetic.decoderBias,
                projected: memory.decoderProjected[index], .decoder(index), part)
            crossAttend(stream[3 * index + 1], into: stream[3 * index + 2], layer.crossAttention, index, part)
            feedForward(
                stream[3 * index + 2], into: stream[3 * index + 3], layer.feedForward,
                wide: memory.decoderWide[index], .decoder(index), part)
        }
        normalize(
            stream[stream.count - 1], matrices.decoderNorm, scale: matrices.headScale, into: memory.decoded,
            part)
        drop(memory.decoded, .decoderOutput, 0, part)
        arithmetic.roundForHead(memory.decoded, part.count)
    }

    /// - Parameter gradient: At the decoder's output.
    func differentiateDecoder(_ part: Part, _ gradient: Rows<Float>) {
        let matrices = arithmetic.matrices
        let stream = memory.decoderStream
        let g = memory.decoderGradient
        drop(gradient, .decoderOutput, 0, part)
        clear(g, part)
        part.team.split(encoderRows, grain: 8) { range in
            memory.encodedGradient.row(range.lowerBound).update(repeating: 0, count: range.count * width)
        }
        normGradient(
            stream[stream.count - 1], matrices.decoderNorm, scale: matrices.headScale, gradient, addingTo: g,
            part)
        for (index, layer) in matrices.decoder.enumerated().reversed() {
            feedForwardGradient(
                stream[3 * index + 2], layer.feedForward, wide: memory.decoderWide[index], .decoder(index), g,
                part)
            crossAttentionGradient(stream[3 * index + 1], layer.crossAttention, index, g, part)
            attentionGradient(
                stream[3 * index], layer.attention, arithmetic.decoderBias,
                projected: memory.decoderProjected[index], .decoder(index), g, part)
        }
        drop(g, .decoderInput, 0, part)
    }

    // MARK: Cross-attention

    private func crossRows(_ index: Int) -> CrossAttentionRows<Element> {
        CrossAttentionRows(
            spans: batch.crossSpans, q: memory.decoderQueries[index], encoded: memory.encodedElements,
            encoderRows: encoderRows, kept: memory.keysValues[index])
    }

    private func crossAttend(
        _ x: Rows<Float>, into next: Rows<Float>, _ layer: CoreMatrices<A.Matrix>.CrossAttention,
        _ index: Int,
        _ part: Part
    ) {
        let rows = crossRows(index)
        let context = elements(inner, part.count, &part.workspace.context)
        arithmetic.project(x, layer.norm, layer.q, into: rows.q, part)
        arithmetic.crossAttend(
            rows, layer.keysValues, dropout: dropout?.site(.crossAttention, layer: index), into: context, part
        )
        addProduct(context, layer.o, x, into: next, .crossAttentionOutput, index, part)
    }

    private func crossAttentionGradient(
        _ x: Rows<Float>, _ layer: CoreMatrices<A.Matrix>.CrossAttention, _ index: Int, _ g: Rows<Float>,
        _ part: Part
    ) {
        let workspace = part.workspace
        let rows = crossRows(index)
        let site = dropout?.site(.crossAttention, layer: index)
        let out = outputGradient(g, .crossAttentionOutput, index, part)
        let contextGradient = elements(inner, part.count, &workspace.contextGradient)
        arithmetic.multiplyBack(out, layer.o, into: contextGradient, part)
        if arithmetic.tracksWeights {
            let context = elements(inner, part.count, &workspace.context)
            arithmetic.crossAttend(rows, layer.keysValues, dropout: site, into: context, part)
            arithmetic.addWeightGradient(layer.o, out, context, part.count, part)
        }
        let dq = elements(inner, part.count, &workspace.projectedGradient)
        arithmetic.crossAttentionGradient(
            rows, layer.keysValues, dropout: site, contextGradient, q: dq, encoded: memory.encodedGradient,
            part)
        projectionGradient(dq, x, layer.norm, layer.q, g, part)
    }
}
