import Tensors

/// The sub-layers that both stacks have: `x + f(RMSNorm(x))`, in place where no trace keeps the stream.
extension LayerOperations {
    package typealias Weights = T5Weights<Matrix, FloatTensor>

    /// `x + Attention(RMSNorm(x))`
    ///
    /// - Parameters:
    ///   - columns: How many columns `matrix` makes: queries, keys and values side by side, or queries alone.
    ///   - attend: Attention of the projected rows.
    func attention(
        _ x: Rows<Float>, _ norm: FloatTensor, _ matrix: Matrix, columns: Int, output: Matrix,
        _ place: SubLayer, _ part: Part, _ trace: (any ForwardTrace<Element>)?,
        attend: (_ projected: Rows<Element>, DropoutSite?, _ context: Rows<Element>) -> Void
    ) -> Rows<Float> {
        let projected =
            trace?.firstProduct(place, part) ?? scratch(columns, part.count, &part.workspace.projected)
        let context = scratch(inner, part.count, &part.workspace.context)
        project(x, norm, matrix, into: projected, part)
        attend(projected, trace?.dropout(within: place), context)
        return add(context, output, to: x, place, part, trace)
    }

    /// `x + FeedForward(RMSNorm(x))`
    func feedForward(
        _ x: Rows<Float>, _ layer: Weights.FeedForward, _ place: SubLayer, _ part: Part,
        _ trace: (any ForwardTrace<Element>)?
    ) -> Rows<Float> {
        guard let trace else {
            addFeedForward(to: x, layer, part)
            return x
        }
        let wide = trace.firstProduct(place, part) ?? scratch(wideWidth, part.count, &part.workspace.wide)
        let dropout = trace.dropout(within: place)
        widen(x, layer, into: wide, dropout: dropout, part)
        trace.keepWide(wide, place, part)
        return add(hidden(wide, dropout: dropout, part), layer.wo, to: x, place, part, trace)
    }

    /// The feed-forward layer's wide rows; dropped where they are the second matrix's input.
    package func widen(
        _ x: Rows<Float>, _ layer: Weights.FeedForward, into wide: Rows<Element>, dropout: DropoutSite?,
        _ part: Part
    ) {
        widen(x, layer.norm, layer.wi, into: wide, part)
        if let dropout, !configuration.feedForward.isGated { drop(wide, width: wideWidth, dropout, part) }
    }

    /// The second matrix's input.
    package func hidden(_ wide: Rows<Element>, dropout: DropoutSite?, _ part: Part) -> Rows<Element> {
        guard configuration.feedForward.isGated else { return wide }
        let width = configuration.feedForwardWidth
        let hidden = scratch(width, part.count, &part.workspace.hidden)
        gate(wide, into: hidden, part)
        if let dropout { drop(hidden, width: width, dropout, part) }
        return hidden
    }

    /// `x + a Wᵀ`
    private func add(
        _ a: Rows<Element>, _ matrix: Matrix, to x: Rows<Float>, _ place: SubLayer, _ part: Part,
        _ trace: (any ForwardTrace<Element>)?
    ) -> Rows<Float> {
        if let trace { return trace.add(to: x, place, part) { addProduct(a, matrix, to: $0, part) } }
        addProduct(a, matrix, to: x, part)
        return x
    }
}
