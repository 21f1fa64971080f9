import Basics
import Tensors
import Tokenization

/// The pieces that initial rows are drawn from.
public struct VocabularySample: Sendable, Equatable {
    /// The ids, the most common first.
    public let candidates: [Int32]

    /// A sample from these ids.
    public init(candidates: [Int32]) { self.candidates = candidates }

    /// A sample from the most common pieces of a tokenizer.
    ///
    /// SentencePiece models list their pieces by frequency, so these are the lowest ids, without those that
    /// stand for no text: control ids, the unknown id, sentinels, the mere mark of a word's start, and byte
    /// pieces where a model has others.
    ///
    /// - Parameters:
    ///   - count: How many at most; 5,000 in Lester et al. 2021.
    ///   - tokenizer: The core's tokenizer.
    ///   - vocabularySize: The core's: higher ids have no embedding.
    public init(mostCommon count: Int = 5_000, of tokenizer: any Tokenizer, vocabularySize: Int) {
        let ids = (0..<Int32(clamping: min(tokenizer.pieceCount, vocabularySize))).lazy
        let texts = ids.filter { id in
            guard let piece = tokenizer.piece(id), piece != "▁", !Self.isSentinel(piece) else { return false }
            return !tokenizer.decode([id]).isEmpty
        }
        let pieces = texts.filter { tokenizer.piece($0).map { !Self.isByte($0) } ?? false }
        candidates = Array((pieces.first == nil ? texts : pieces).prefix(count))
    }

    private static func isSentinel(_ piece: String) -> Bool {
        piece.hasSuffix(">") && (piece.hasPrefix("<extra_id_") || piece.hasPrefix("▁<extra_id_"))
    }

    private static func isByte(_ piece: String) -> Bool {
        piece.hasPrefix("<0x") && piece.hasSuffix(">") && piece.utf8.count == 6
    }

    /// Ids at random: all distinct while there are enough, else each as often as another, give or take one.
    public func draw(_ count: Int, using generator: inout SplitMix64) -> [Int32] {
        var drawn: [Int32] = []
        while drawn.count < count, !candidates.isEmpty {
            var order = candidates
            // Only as much of the order as is used.
            let wanted = min(count - drawn.count, order.count)
            for index in 0..<wanted {
                order.swapAt(index, index + generator.integer(below: order.count - index))
            }
            drawn += order.prefix(wanted)
        }
        return drawn
    }
}
