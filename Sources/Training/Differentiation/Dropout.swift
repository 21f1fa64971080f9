import CKernels
import T5

/// Where in a pass elements are dropped, as `transformers` does it for T5.
private enum DropoutPlace: UInt64 {
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

    /// Of a stack's input.
    func input(of stack: Stack) -> DropoutSite { site(stack == .encoder ? .encoderInput : .decoderInput) }

    /// Of a stack's output.
    func output(of stack: Stack) -> DropoutSite { site(stack == .encoder ? .encoderOutput : .decoderOutput) }

    /// Of attention's probabilities, or of the feed-forward layer's hidden rows.
    func within(_ place: SubLayer) -> DropoutSite {
        switch place {
        case .encoderAttention(let layer): site(.encoderAttention, layer)
        case .encoderFeedForward(let layer): site(.encoderHidden, layer)
        case .decoderAttention(let layer): site(.decoderAttention, layer)
        case .crossAttention(let layer): site(.crossAttention, layer)
        case .decoderFeedForward(let layer): site(.decoderHidden, layer)
        }
    }

    /// Of what a sub-layer adds to the residual stream.
    func output(of place: SubLayer) -> DropoutSite {
        switch place {
        case .encoderAttention(let layer): site(.encoderAttentionOutput, layer)
        case .encoderFeedForward(let layer): site(.encoderFeedForwardOutput, layer)
        case .decoderAttention(let layer): site(.decoderAttentionOutput, layer)
        case .crossAttention(let layer): site(.crossAttentionOutput, layer)
        case .decoderFeedForward(let layer): site(.decoderFeedForwardOutput, layer)
        }
    }

    private func site(_ place: DropoutPlace, _ layer: Int = 0) -> DropoutSite {
        let key = pp_dropout_key(pp_dropout_key(seed, place.rawValue), UInt64(layer))
        return DropoutSite(
            dropout: pp_dropout(
                key: key, threshold: UInt32(Double(rate) * 0x1p32), scale: 1 / (1 - rate)))
    }
}
