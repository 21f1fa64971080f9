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

    private var crossSpans: [AttentionSpan] {
        batch.items.indices.map { item in
            AttentionSpan(
                queries: batch.decoderRows[item]..<batch.decoderRows[item + 1],
                keys: batch.encoderRows[item]..<batch.encoderRows[item + 1])
        }
    }

    private func keysValues(
        _ layer: CoreMatrices<A.Matrix>.CrossAttention, _ index: Int, _ part: Part, isKept: Bool
    ) -> Rows<Element> {
        let stride = arithmetic.spacing(2 * inner)
        let rows =
            memory.keysValues[index]
            ?? Rows(start: part.workspace.keysValues.reserve(encoderRows * stride), stride: stride)
        if !isKept || memory.keysValues[index] == nil {
            arithmetic.multiply(memory.encodedElements, encoderRows, layer.keysValues, into: rows, part)
        }
        return rows
    }

    private func crossAttend(
        _ x: Rows<Float>, into next: Rows<Float>, _ layer: CoreMatrices<A.Matrix>.CrossAttention,
        _ index: Int,
        _ part: Part
    ) {
        let q = memory.decoderQueries[index]
        let keysValues = keysValues(layer, index, part, isKept: false)
        let context = elements(inner, part.count, &part.workspace.context)
        arithmetic.project(x, layer.norm, layer.q, into: q, part)
        arithmetic.attend(
            crossSpans, q: q, k: keysValues, v: keysValues.column(inner), bias: nil,
            dropout: dropout?.site(.crossAttention, layer: index), into: context, part)
        addProduct(context, layer.o, x, into: next, .crossAttentionOutput, index, part)
    }

    private func crossAttentionGradient(
        _ x: Rows<Float>, _ layer: CoreMatrices<A.Matrix>.CrossAttention, _ index: Int, _ g: Rows<Float>,
        _ part: Part
    ) {
        let workspace = part.workspace
        let q = memory.decoderQueries[index]
        let keysValues = keysValues(layer, index, part, isKept: true)
        let site = dropout?.site(.crossAttention, layer: index)
        let out = outputGradient(g, .crossAttentionOutput, index, part)
        let contextGradient = elements(inner, part.count, &workspace.contextGradient)
        arithmetic.multiplyBack(out, layer.o, into: contextGradient, part)
        if arithmetic.tracksWeights {
            let context = elements(inner, part.count, &workspace.context)
            arithmetic.attend(
                crossSpans, q: q, k: keysValues, v: keysValues.column(inner), bias: nil, dropout: site,
                into: context, part)
            arithmetic.addWeightGradient(layer.o, out, context, part.count, part)
        }
        let dq = elements(inner, part.count, &workspace.projectedGradient)
        let dkv = elements(2 * inner, encoderRows, &workspace.keysValuesGradient)
        arithmetic.attentionGradient(
            crossSpans, q: q, k: keysValues, v: keysValues.column(inner), bias: nil, dropout: site,
            contextGradient, q: dq, k: dkv, v: dkv.column(inner), part)
        arithmetic.multiplyBack(
            dkv, encoderRows, layer.keysValues, into: memory.encodedGradient, adding: true, part)
        if arithmetic.tracksWeights {
            arithmetic.addWeightGradient(layer.keysValues, dkv, memory.encodedElements, encoderRows, part)
        }
        projectionGradient(dq, x, layer.norm, layer.q, g, part)
    }
}
