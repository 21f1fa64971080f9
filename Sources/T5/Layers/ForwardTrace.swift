/// A sub-layer of a stack's layer.
package enum SubLayer: Hashable {
    case encoderAttention(Int)
    case encoderFeedForward(Int)
    case decoderAttention(Int)
    case crossAttention(Int)
    case decoderFeedForward(Int)
}

/// One of the two stacks.
package enum Stack {
    case encoder, decoder
}

/// What a forward pass keeps for the way back, and what it drops. The trainer has one; serving passes `nil`.
package protocol ForwardTrace<Element>: AnyObject {
    associatedtype Element: BitwiseCopyable

    /// Memory for a sub-layer's first product; `nil` where scratch memory will do.
    func firstProduct(_ place: SubLayer, _ part: Part) -> Rows<Element>?

    /// Takes note of a feed-forward layer's wide rows, whose memory may be scratch.
    func keepWide(_ wide: Rows<Element>, _ place: SubLayer, _ part: Part)

    /// The residual stream after a sub-layer: `x`, and what `addProduct` adds to the rows it is given.
    func add(
        to x: Rows<Float>, _ place: SubLayer, _ part: Part, _ addProduct: (Rows<Float>) -> Void
    ) -> Rows<Float>

    /// Where a stack's final norm writes.
    func output(of stack: Stack, _ part: Part) -> Rows<Float>

    /// Dropout of a stack's input rows, in place.
    func dropInput(_ x: Rows<Float>, of stack: Stack, _ part: Part)

    /// Dropout of a stack's output rows, in place, and whatever else is to be done with them.
    func finish(_ x: Rows<Float>, of stack: Stack, _ part: Part)

    /// Dropout of attention's probabilities, or of the feed-forward layer's hidden rows.
    func dropout(within place: SubLayer) -> DropoutSite?
}
