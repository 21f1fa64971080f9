/// An id, and how it scores as the next one.
package struct TokenScore: Sendable, Equatable {
    /// The id.
    package var id: Int32
    /// A logit, log-probability or probability, as the context says.
    package var score: Float

    /// The highest scores of a row indexed by id, best first; of equal ones the lower id. Minus infinity and
    /// NaN are never among them.
    static func highest(_ count: Int, of row: UnsafeBufferPointer<Float>) -> [TokenScore] {
        var kept: [TokenScore] = []
        let room = 2 * min(count, row.count) + 64
        kept.reserveCapacity(room)
        var threshold = -Float.infinity
        func trim() {
            kept.sort { ($0.score, $1.id) > ($1.score, $0.id) }
            guard kept.count >= count else { return }
            kept.removeLast(kept.count - count)
            threshold = kept.last?.score ?? threshold
        }
        for (id, score) in row.enumerated() where score > threshold {
            kept.append(TokenScore(id: Int32(truncatingIfNeeded: id), score: score))
            if kept.count == room { trim() }
        }
        trim()
        return kept
    }
}
