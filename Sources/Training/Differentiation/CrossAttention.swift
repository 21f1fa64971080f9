import T5
import Tensors

/// What cross-attention reads in one decoder layer.
struct CrossAttentionRows<Element: BitwiseCopyable> {
    /// The sequences: decoder rows as queries, encoder rows as keys.
    var spans: [AttentionSpan]
    let q: Rows<Element>
    /// The encoder's output.
    let encoded: Rows<Element>
    /// How many rows that is.
    let encoderRows: Int
    /// Where keys and values are kept from forward to backward; `nil` when they are computed again.
    let kept: Rows<Element>?

    /// The same rows for some of the sequences.
    func only(_ spans: [AttentionSpan]) -> CrossAttentionRows {
        var copy = self
        copy.spans = spans
        return copy
    }
}

/// Cross-attention with keys and values of all encoder rows.
extension Arithmetic {
    func absorbsKeysValues(_ span: AttentionSpan) -> Bool { false }

    func crossAttend(
        _ cross: CrossAttentionRows<Element>, _ keysValues: Matrix, dropout: DropoutSite?,
        into context: Rows<Element>, _ part: Part
    ) {
        attendKeysValues(cross, keysValues, dropout: dropout, into: context, part)
    }

    func crossAttentionGradient(
        _ cross: CrossAttentionRows<Element>, _ keysValues: Matrix, dropout: DropoutSite?,
        _ contextGradient: Rows<Element>, q dq: Rows<Element>, encoded: Rows<Float>, _ part: Part
    ) {
        keysValuesGradient(
            cross, keysValues, dropout: dropout, contextGradient, q: dq, encoded: encoded, part)
    }

    private func project(
        _ cross: CrossAttentionRows<Element>, _ matrix: Matrix, into kept: Rows<Element>?, _ part: Part
    ) -> Rows<Element> {
        let spacing = spacing(2 * configuration.innerWidth)
        let rows =
            kept
            ?? Rows(
                start: part.workspace.keysValues.reserve(cross.encoderRows * spacing), stride: spacing)
        multiply(cross.encoded, cross.encoderRows, matrix, into: rows, part)
        return rows
    }

    func attendKeysValues(
        _ cross: CrossAttentionRows<Element>, _ matrix: Matrix, dropout: DropoutSite?,
        into context: Rows<Element>, _ part: Part
    ) {
        let keysValues = project(cross, matrix, into: cross.kept, part)
        attend(
            cross.spans, q: cross.q, k: keysValues, v: keysValues.column(configuration.innerWidth), bias: nil,
            dropout: dropout, into: context, part)
    }

    func keysValuesGradient(
        _ cross: CrossAttentionRows<Element>, _ matrix: Matrix, dropout: DropoutSite?,
        _ contextGradient: Rows<Element>, q dq: Rows<Element>, encoded: Rows<Float>, _ part: Part
    ) {
        let inner = configuration.innerWidth
        let keysValues = cross.kept ?? project(cross, matrix, into: nil, part)
        let spacing = spacing(2 * inner)
        let gradient = Rows<Element>(
            start: part.workspace.keysValuesGradient.reserve(cross.encoderRows * spacing), stride: spacing)
        // Rows of sequences that are not among these have none.
        if cross.spans.reduce(0, { $0 + $1.keys.count }) < cross.encoderRows {
            UnsafeMutableRawPointer(gradient.start).initializeMemory(
                as: UInt8.self, repeating: 0,
                count: cross.encoderRows * spacing * MemoryLayout<Element>.stride)
        }
        attentionGradient(
            cross.spans, q: cross.q, k: keysValues, v: keysValues.column(inner), bias: nil, dropout: dropout,
            contextGradient, q: dq, k: gradient, v: gradient.column(inner), part)
        multiplyBack(gradient, cross.encoderRows, matrix, into: encoded, adding: true, part)
        addWeightGradient(matrix, gradient, cross.encoded, cross.encoderRows, part)
    }
}
