import Tokenization

/// Texts before which an answer ends.
struct StopTexts: Sendable {
    private let texts: [String]
    private let tokenizer: any Tokenizer
    /// Ids whose text is looked at for a stop text that has just become complete: a piece has at least a
    /// byte, but for control ids.
    private let window: Int

    /// `nil` when there are none.
    init?(_ texts: [String], tokenizer: any Tokenizer) {
        guard let longest = texts.map(\.utf8.count).max() else { return nil }
        self.texts = texts
        self.tokenizer = tokenizer
        window = longest + 8
    }

    /// Whether the text of generated ids ends in, or shortly after, a stop text.
    func areReached(by ids: [Int32]) -> Bool { cut(tokenizer.decode(Array(ids.suffix(window)))) != nil }

    /// What comes before the first of the stop texts; `nil` when there is none in it.
    func cut(_ text: String) -> String? {
        let starts = texts.compactMap { text.utf8.firstRange(of: $0.utf8)?.lowerBound }
        return starts.min().map { String(text[..<$0]) }
    }
}
