import CKernels
import T5
import Tensors

/// What a pass leaves behind on the way forward: its memory filled, elements dropped.
final class PassTrace<Backward: BackwardOperations>: ForwardTrace {
    typealias Element = Backward.Forward.Element

    let memory: PassMemory<Element>
    let dropout: Dropout?
    private let forward: Backward.Forward
    private let backward: Backward
    private let width: Int

    init(_ backward: Backward, _ memory: PassMemory<Element>, dropout: Dropout?) {
        forward = backward.forward
        self.backward = backward
        self.memory = memory
        self.dropout = dropout
        width = forward.configuration.modelWidth
    }

    func firstProduct(_ place: SubLayer, _ part: Part) -> Rows<Element>? {
        switch place {
        case .encoderAttention(let layer): memory.encoderProjected[layer]?.from(part.first)
        case .encoderFeedForward(let layer): memory.encoderWide[layer].rows?.from(part.first)
        case .decoderAttention(let layer): memory.decoderProjected[layer]
        case .crossAttention(let layer): memory.decoderQueries[layer]
        case .decoderFeedForward(let layer): memory.decoderWide[layer]
        }
    }

    /// The bits that are kept of a feed-forward layer's wide rows in their place.
    func signs(_ place: SubLayer, _ part: Part) -> Rows<UInt32>? {
        guard case .encoderFeedForward(let layer) = place else { return nil }
        return memory.encoderWide[layer].signs?.from(part.first)
    }

    func keepWide(_ wide: Rows<Element>, _ place: SubLayer, _ part: Part) {
        if let signs = signs(place, part) { backward.keepSigns(wide, in: signs, part) }
    }

    func dropout(within place: SubLayer) -> DropoutSite? { dropout?.within(place) }

    // MARK: The residual stream

    /// The stream before a sub-layer.
    func stream(before place: SubLayer, _ part: Part) -> Rows<Float> {
        switch place {
        case .encoderAttention(let layer): memory.encoderStream[2 * layer].from(part.first)
        case .encoderFeedForward(let layer): memory.encoderStream[2 * layer + 1].from(part.first)
        case .decoderAttention(let layer): memory.decoderStream[3 * layer]
        case .crossAttention(let layer): memory.decoderStream[3 * layer + 1]
        case .decoderFeedForward(let layer): memory.decoderStream[3 * layer + 2]
        }
    }

    private func stream(after place: SubLayer, _ part: Part) -> Rows<Float> {
        switch place {
        case .encoderAttention(let layer): stream(before: .encoderFeedForward(layer), part)
        case .encoderFeedForward(let layer): stream(before: .encoderAttention(layer + 1), part)
        case .decoderAttention(let layer): stream(before: .crossAttention(layer), part)
        case .crossAttention(let layer): stream(before: .decoderFeedForward(layer), part)
        case .decoderFeedForward(let layer): stream(before: .decoderAttention(layer + 1), part)
        }
    }

    /// `next = x + dropout(product)`
    func add(
        to x: Rows<Float>, _ place: SubLayer, _ part: Part, _ addProduct: (Rows<Float>) -> Void
    ) -> Rows<Float> {
        let next = stream(after: place, part)
        guard let dropout else {
            next.copy(x, part, width: width)
            addProduct(next)
            return next
        }
        next.clear(part, width: width)
        addProduct(next)
        drop(next, dropout.output(of: place), part)
        part.team.split(part.count, grain: 8) { range in
            let from = x.row(range.lowerBound)
            let to = next.row(range.lowerBound)
            for index in 0..<range.count * width { to[index] += from[index] }
        }
        return next
    }

    func output(of stack: Stack, _ part: Part) -> Rows<Float> {
        stack == .encoder ? memory.encoded.from(part.first) : memory.decoded
    }

    func dropInput(_ x: Rows<Float>, of stack: Stack, _ part: Part) {
        if let dropout { drop(x, dropout.input(of: stack), part) }
    }

    func finish(_ x: Rows<Float>, of stack: Stack, _ part: Part) {
        dropOutput(x, of: stack, part)
        switch stack {
        case .encoder:
            backward.copyElements(x, part.count, into: memory.encodedElements.from(part.first), part)
        case .decoder: backward.roundForHead(x, part.count)
        }
    }

    /// Dropout of a stack's output, or of the gradient there, in place.
    func dropOutput(_ x: Rows<Float>, of stack: Stack, _ part: Part) {
        if let dropout { drop(x, dropout.output(of: stack), part) }
    }

    /// Dropout of rows of the residual stream's width, in place.
    func drop(_ x: Rows<Float>, _ site: DropoutSite, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            for row in range {
                var dropout = site.row(part.first + row)
                pp_f32_dropout(forward.kernels, &dropout, x.row(row), width)
            }
        }
    }
}

/// Rows of the residual stream's width, one after another without padding.
extension Rows<Float> {
    /// All become zero.
    func clear(_ part: Part, width: Int) {
        part.team.split(part.count, grain: 8) { range in
            row(range.lowerBound).update(repeating: 0, count: range.count * width)
        }
    }

    /// Takes other rows' values.
    func copy(_ x: Rows<Float>, _ part: Part, width: Int) {
        part.team.split(part.count, grain: 8) { range in
            row(range.lowerBound).update(from: x.row(range.lowerBound), count: range.count * width)
        }
    }
}
