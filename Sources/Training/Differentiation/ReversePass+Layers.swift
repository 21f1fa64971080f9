import CKernels
import T5
import Tensors

/// Which layer of which stack.
enum LayerPlace {
    case encoder(Int)
    case decoder(Int)

    fileprivate var index: Int {
        switch self {
        case .encoder(let index), .decoder(let index): index
        }
    }

    fileprivate func place(_ encoder: DropoutPlace, _ decoder: DropoutPlace) -> DropoutPlace {
        if case .encoder = self { encoder } else { decoder }
    }
}

/// The sub-layers that both stacks have, forward and back. Rows are counted from the part's first.
extension ReversePass {
    // MARK: Self-attention

    /// `next = x + SelfAttention(RMSNorm(x))`
    func attend(
        _ x: Rows<Float>, into next: Rows<Float>, _ layer: CoreMatrices<A.Matrix>.SelfAttention,
        _ bias: PositionBias, projected: Rows<Element>?, _ place: LayerPlace, _ part: Part
    ) {
        let qkv = projected ?? elements(3 * inner, part.count, &part.workspace.projected)
        let context = elements(inner, part.count, &part.workspace.context)
        arithmetic.project(x, layer.norm, layer.qkv, into: qkv, part)
        attend(qkv, bias, place, into: context, part)
        addProduct(
            context, layer.o, x, into: next, place.place(.encoderAttentionOutput, .decoderAttentionOutput),
            place.index, part)
    }

    private func attend(
        _ qkv: Rows<Element>, _ bias: PositionBias, _ place: LayerPlace, into context: Rows<Element>,
        _ part: Part
    ) {
        arithmetic.attend(
            part.spans, q: qkv, k: qkv.column(inner), v: qkv.column(2 * inner), bias: bias,
            dropout: attentionSite(place), into: context, part)
    }

    private func attentionSite(_ place: LayerPlace) -> DropoutSite? {
        dropout?.site(place.place(.encoderAttention, .decoderAttention), layer: place.index)
    }

    /// `g`, the gradient after the sub-layer, becomes that before it.
    ///
    /// - Parameter rows: Those whose gradient is needed; `nil` for all.
    func attentionGradient(
        _ x: Rows<Float>, _ layer: CoreMatrices<A.Matrix>.SelfAttention, _ bias: PositionBias,
        projected: Rows<Element>?, _ place: LayerPlace, _ g: Rows<Float>, _ part: Part,
        only rows: [Range<Int>]? = nil
    ) {
        let workspace = part.workspace
        let out = outputGradient(
            g, place.place(.encoderAttentionOutput, .decoderAttentionOutput), place.index, part)
        let contextGradient = elements(inner, part.count, &workspace.contextGradient)
        arithmetic.multiplyBack(out, layer.o, into: contextGradient, part)
        let qkv = projected ?? elements(3 * inner, part.count, &workspace.projected)
        if projected == nil { arithmetic.project(x, layer.norm, layer.qkv, into: qkv, part) }
        if arithmetic.tracksWeights {
            let context = elements(inner, part.count, &workspace.context)
            attend(qkv, bias, place, into: context, part)
            arithmetic.addWeightGradient(layer.o, out, context, part.count, part)
        }
        let gradient = elements(3 * inner, part.count, &workspace.projectedGradient)
        arithmetic.attentionGradient(
            part.spans, q: qkv, k: qkv.column(inner), v: qkv.column(2 * inner), bias: bias,
            dropout: attentionSite(place), contextGradient, q: gradient, k: gradient.column(inner),
            v: gradient.column(2 * inner), part)
        if let rows {
            projectionGradient(gradient, x, layer.norm, layer.qkv, g, part, only: rows)
        } else {
            projectionGradient(gradient, x, layer.norm, layer.qkv, g, part)
        }
    }

    /// Adds to `g` the gradient at `x` of `RMSNorm(x) Wᵀ`.
    func projectionGradient(
        _ gradient: Rows<Element>, _ x: Rows<Float>, _ norm: NormGain, _ matrix: A.Matrix, _ g: Rows<Float>,
        _ part: Part
    ) {
        let normalized = floats(width, part.count, &part.workspace.normGradient)
        arithmetic.multiplyBack(gradient, part.count, matrix, into: normalized, adding: false, part)
        arithmetic.addWeightGradient(matrix, gradient, normalized: x, norm, part)
        normGradient(x, norm, normalized, addingTo: g, part)
    }

    /// The same for some rows only, which are gathered for the product.
    private func projectionGradient(
        _ gradient: Rows<Element>, _ x: Rows<Float>, _ norm: NormGain, _ matrix: A.Matrix, _ g: Rows<Float>,
        _ part: Part, only rows: [Range<Int>]
    ) {
        let count = rows.reduce(0) { $0 + $1.count }
        guard count > 0 else { return }
        let gathered = elements(3 * inner, count, &part.workspace.wideGradient)
        var next = 0
        for row in rows.joined() {
            gathered.row(next).update(from: gradient.row(row), count: 3 * inner)
            next += 1
        }
        let normalized = floats(width, count, &part.workspace.normGradient)
        arithmetic.multiplyBack(gathered, count, matrix, into: normalized, adding: false, part)
        next = 0
        for range in rows {
            pp_f32_rms_norm_gradient(
                arithmetic.kernels, x.row(range.lowerBound), norm, arithmetic.configuration.layerNormEpsilon,
                1,
                normalized.from(next), g.from(range.lowerBound), range.count, width)
            next += range.count
        }
    }

    // MARK: Feed-forward

    /// `next = x + FeedForward(RMSNorm(x))`
    func feedForward(
        _ x: Rows<Float>, into next: Rows<Float>, _ layer: CoreMatrices<A.Matrix>.FeedForward,
        kept: KeptWide<Element>, _ place: LayerPlace, _ part: Part
    ) {
        let wide = kept.rows ?? elements(arithmetic.wideWidth, part.count, &part.workspace.wide)
        widen(x, layer, into: wide, place, part)
        if let signs = kept.signs { arithmetic.keepSigns(wide, in: signs, part) }
        addProduct(
            hidden(wide, place, part), layer.wo, x, into: next,
            place.place(.encoderFeedForwardOutput, .decoderFeedForwardOutput), place.index, part)
    }

    private func hiddenSite(_ place: LayerPlace) -> DropoutSite? {
        dropout?.site(place.place(.encoderHidden, .decoderHidden), layer: place.index)
    }

    private func widen(
        _ x: Rows<Float>, _ layer: CoreMatrices<A.Matrix>.FeedForward, into wide: Rows<Element>,
        _ place: LayerPlace, _ part: Part
    ) {
        arithmetic.widen(x, layer.norm, layer.wi, into: wide, part)
        if !arithmetic.isGated, let site = hiddenSite(place) {
            arithmetic.drop(wide, width: arithmetic.wideWidth, site, part)
        }
    }

    /// What the second product reads.
    private func hidden(_ wide: Rows<Element>, _ place: LayerPlace, _ part: Part) -> Rows<Element> {
        guard arithmetic.isGated else { return wide }
        let width = arithmetic.configuration.feedForwardWidth
        let hidden = elements(width, part.count, &part.workspace.hidden)
        arithmetic.gate(wide, into: hidden, part)
        if let site = hiddenSite(place) { arithmetic.drop(hidden, width: width, site, part) }
        return hidden
    }

    /// `g`, the gradient after the sub-layer, becomes that before it.
    func feedForwardGradient(
        _ x: Rows<Float>, _ layer: CoreMatrices<A.Matrix>.FeedForward, kept: KeptWide<Element>,
        _ place: LayerPlace, _ g: Rows<Float>, _ part: Part
    ) {
        let hiddenWidth = arithmetic.configuration.feedForwardWidth
        let out = outputGradient(
            g, place.place(.encoderFeedForwardOutput, .decoderFeedForwardOutput), place.index, part)
        let gradient = elements(hiddenWidth, part.count, &part.workspace.hiddenGradient)
        arithmetic.multiplyBack(out, layer.wo, into: gradient, part)
        if let site = hiddenSite(place) { arithmetic.drop(gradient, width: hiddenWidth, site, part) }
        if let signs = kept.signs {
            arithmetic.wideGradient(signs, gradient, part)
            projectionGradient(gradient, x, layer.norm, layer.wi, g, part)
            return
        }
        let wide = kept.rows ?? elements(arithmetic.wideWidth, part.count, &part.workspace.wide)
        if kept.rows == nil { widen(x, layer, into: wide, place, part) }
        if arithmetic.tracksWeights {
            arithmetic.addWeightGradient(layer.wo, out, hidden(wide, place, part), part.count, part)
        }
        projectionGradient(
            arithmetic.wideGradient(wide, gradient, part), x, layer.norm, layer.wi, g, part)
    }
}
