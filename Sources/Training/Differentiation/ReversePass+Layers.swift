import CKernels
import T5
import Tensors

/// The way back through the sub-layers. `g`, the gradient of the residual stream after a sub-layer, becomes that before
/// it. Rows are counted from the part's first.
extension ReversePass {
    typealias Weights = T5Weights<Backward.Forward.Matrix, FloatTensor>

    // MARK: Attention

    /// - Parameter rows: Those whose gradient is needed; `nil` for all.
    func selfAttentionGradient(
        _ place: SubLayer, _ layer: Weights.SelfAttention, _ bias: RelativePositionBias, _ g: Rows<Float>,
        _ part: Part, only rows: [Range<Int>]? = nil
    ) {
        let workspace = part.workspace
        let inner = forward.inner
        let x = trace.stream(before: place, part)
        let out = outputGradient(g, place, part)
        let contextGradient = forward.scratch(inner, part.count, &workspace.contextGradient)
        backward.multiplyBack(out, layer.o, into: contextGradient, part)
        let kept = trace.firstProduct(place, part)
        let qkv = kept ?? forward.scratch(3 * inner, part.count, &workspace.projected)
        if kept == nil { forward.project(x, layer.norm, layer.qkv, into: qkv, part) }
        let dropout = trace.dropout(within: place)
        if backward.tracksWeights {
            let context = forward.scratch(inner, part.count, &workspace.context)
            forward.attend(
                part.spans, q: qkv, k: qkv.column(inner), v: qkv.column(2 * inner), bias: bias,
                dropout: dropout, into: context, part)
            backward.addWeightGradient(layer.o, out, context, part.count, part)
        }
        let gradient = forward.scratch(3 * inner, part.count, &workspace.projectedGradient)
        backward.attentionGradient(
            part.spans, q: qkv, k: qkv.column(inner), v: qkv.column(2 * inner), bias: bias, dropout: dropout,
            contextGradient, q: gradient, k: gradient.column(inner), v: gradient.column(2 * inner), part)
        if let rows {
            projectionGradient(gradient, x, layer.norm, layer.qkv, g, part, only: rows)
        } else {
            projectionGradient(gradient, x, layer.norm, layer.qkv, g, part)
        }
    }

    func crossAttentionGradient(
        _ place: SubLayer, _ layer: Weights.CrossAttention, _ index: Int, _ memory: AnswerMemory<Backward>,
        _ g: Rows<Float>, _ part: Part
    ) {
        let workspace = part.workspace
        let inner = forward.inner
        let q = self.memory.decoderQueries[index]
        let dropout = trace.dropout(within: place)
        let out = outputGradient(g, place, part)
        let contextGradient = forward.scratch(inner, part.count, &workspace.contextGradient)
        backward.multiplyBack(out, layer.o, into: contextGradient, part)
        if backward.tracksWeights {
            let context = forward.scratch(inner, part.count, &workspace.context)
            memory.attendToEncoder(layer: index, q: q, dropout: dropout, into: context, part)
            backward.addWeightGradient(layer.o, out, context, part.count, part)
        }
        let dq = forward.scratch(inner, part.count, &workspace.projectedGradient)
        memory.gradient(layer: index, q: q, dropout: dropout, contextGradient, q: dq, part)
        projectionGradient(dq, trace.stream(before: place, part), layer.norm, layer.q, g, part)
    }

    // MARK: Feed-forward

    func feedForwardGradient(
        _ place: SubLayer, _ layer: Weights.FeedForward, _ g: Rows<Float>, _ part: Part
    ) {
        let hiddenWidth = forward.configuration.feedForwardWidth
        let x = trace.stream(before: place, part)
        let dropout = trace.dropout(within: place)
        let out = outputGradient(g, place, part)
        let gradient = forward.scratch(hiddenWidth, part.count, &part.workspace.hiddenGradient)
        backward.multiplyBack(out, layer.wo, into: gradient, part)
        if let dropout { forward.drop(gradient, width: hiddenWidth, dropout, part) }
        if let signs = trace.signs(place, part) {
            backward.wideGradient(signs, gradient, part)
            projectionGradient(gradient, x, layer.norm, layer.wi, g, part)
            return
        }
        let kept = trace.firstProduct(place, part)
        let wide = kept ?? forward.scratch(forward.wideWidth, part.count, &part.workspace.wide)
        if kept == nil { forward.widen(x, layer, into: wide, dropout: dropout, part) }
        if backward.tracksWeights {
            backward.addWeightGradient(
                layer.wo, out, forward.hidden(wide, dropout: dropout, part), part.count, part)
        }
        projectionGradient(
            backward.wideGradient(wide, gradient, part), x, layer.norm, layer.wi, g, part)
    }

    // MARK: Steps

    /// The gradient at a sub-layer's last product, as elements, from that of the residual stream.
    private func outputGradient(_ g: Rows<Float>, _ place: SubLayer, _ part: Part) -> Rows<Element> {
        guard let dropout = trace.dropout else { return forward.elements(g, part.count, part) }
        let out = floats(width, part.count, &part.workspace.normGradient)
        out.copy(g, part, width: width)
        trace.drop(out, dropout.output(of: place), part)
        return forward.elements(out, part.count, part)
    }

    /// Adds to `g` the gradient at `x` of `RMSNorm(x) Wᵀ`.
    private func projectionGradient(
        _ gradient: Rows<Element>, _ x: Rows<Float>, _ norm: FloatTensor, _ matrix: Backward.Forward.Matrix,
        _ g: Rows<Float>, _ part: Part
    ) {
        let normalized = floats(width, part.count, &part.workspace.normGradient)
        backward.multiplyBack(gradient, part.count, matrix, into: normalized, adding: false, part)
        backward.addWeightGradient(matrix, gradient, normalized: x, norm, part)
        backward.addGainGradient(norm, x, normalized, scale: 1, part)
        normGradient(x, backward.gain(norm), normalized, addingTo: g, part)
    }

    /// The same for some rows only, which are gathered for the product.
    private func projectionGradient(
        _ gradient: Rows<Element>, _ x: Rows<Float>, _ norm: FloatTensor, _ matrix: Backward.Forward.Matrix,
        _ g: Rows<Float>, _ part: Part, only rows: [Range<Int>]
    ) {
        let count = rows.reduce(0) { $0 + $1.count }
        guard count > 0 else { return }
        let gathered = forward.scratch(3 * forward.inner, count, &part.workspace.wideGradient)
        var next = 0
        for row in rows.joined() {
            gathered.row(next).update(from: gradient.row(row), count: 3 * forward.inner)
            next += 1
        }
        let normalized = floats(width, count, &part.workspace.normGradient)
        backward.multiplyBack(gathered, count, matrix, into: normalized, adding: false, part)
        next = 0
        for range in rows {
            normGradient(
                x.from(range.lowerBound), backward.gain(norm), 1, normalized.from(next),
                addingTo: g.from(range.lowerBound), count: range.count)
            next += range.count
        }
    }

    /// Adds the gradient at `x` of a stack's last norm, `RMSNorm(x) * scale`, and to that of its gain.
    func finalNormGradient(
        _ x: Rows<Float>, _ norm: FloatTensor, scale: Float = 1, _ gradient: Rows<Float>,
        addingTo g: Rows<Float>, _ part: Part
    ) {
        backward.addGainGradient(norm, x, gradient, scale: scale, part)
        normGradient(x, norm.pointer, scale: scale, gradient, addingTo: g, part)
    }

    private func normGradient(
        _ x: Rows<Float>, _ gain: UnsafePointer<Float>?, scale: Float = 1, _ gradient: Rows<Float>,
        addingTo g: Rows<Float>, _ part: Part
    ) {
        part.team.split(part.count, grain: 8) { range in
            normGradient(
                x.from(range.lowerBound), gain, scale, gradient.from(range.lowerBound),
                addingTo: g.from(range.lowerBound), count: range.count)
        }
    }

    private func normGradient(
        _ x: Rows<Float>, _ gain: UnsafePointer<Float>?, _ scale: Float, _ gradient: Rows<Float>,
        addingTo g: Rows<Float>, count: Int
    ) {
        pp_f32_rms_norm_gradient(
            forward.kernels, x.start, x.stride, gain, forward.configuration.layerNormEpsilon, scale,
            gradient.start, gradient.stride, count, width, g.start, g.stride)
    }
}
