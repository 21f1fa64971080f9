import CKernels

/// Where in a pass elements are dropped, as `transformers` does it for T5.
enum DropoutPlace: UInt64 {
    case encoderInput, decoderInput, encoderOutput, decoderOutput
    case encoderAttention, encoderAttentionOutput, encoderHidden, encoderFeedForwardOutput
    case decoderAttention, decoderAttentionOutput, crossAttention, crossAttentionOutput, decoderHidden
    case decoderFeedForwardOutput
}

/// The dropout of one pass: which elements are dropped follows from seed, place, layer, row and column, so that a
/// layer that is computed again drops the same.
struct Dropout {
    let seed: UInt64
    let rate: Float

    func site(_ place: DropoutPlace, layer: Int = 0) -> DropoutSite {
        let key = pp_dropout_key(pp_dropout_key(seed, place.rawValue), UInt64(layer))
        return DropoutSite(
            dropout: pp_dropout(
                key: key, threshold: UInt32(Double(rate) * 0x1p32), scale: 1 / (1 - rate)))
    }
}

/// The dropout of one matrix.
struct DropoutSite {
    private let dropout: pp_dropout

    init(dropout: pp_dropout) { self.dropout = dropout }

    /// That of a row.
    func row(_ row: Int) -> pp_dropout { nested(row) }

    /// That of the probabilities of one head of the sequence whose queries begin at a row.
    func head(_ head: Int, firstRow: Int) -> pp_dropout {
        DropoutSite(dropout: nested(head)).nested(firstRow)
    }

    private func nested(_ index: Int) -> pp_dropout {
        var nested = dropout
        nested.key = pp_dropout_key(dropout.key, UInt64(index))
        return nested
    }
}
