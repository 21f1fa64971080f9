import Basics

/// An answer beside what would have been right: label names for a task with labels, texts for one without.
public struct EvaluatedAnswer: Sendable {
    /// The answer given.
    public let prediction: String
    /// The right answers; any of them will do. With none, no answer is right.
    public let references: [String]
    /// Ties rows of one question together (MultiRC); `nil` for a row that stands alone.
    public let group: String?

    /// An answer and the right ones.
    public init(prediction: String, references: [String], group: String? = nil) {
        self.prediction = prediction
        self.references = references
        self.group = group
    }

    /// Whether the answer is one of the right ones, byte for byte.
    public var isCorrect: Bool { references.hasSame(as: prediction) }

    /// The reference the answer counts against where there must be one: itself when it is right, else the first.
    var reference: String { isCorrect ? prediction : references.first ?? "" }

    /// Whether the answer's normal form is that of a right one.
    var matchesNormalized: Bool {
        let given = AnswerText.normalized(prediction)
        return references.contains { AnswerText.normalized($0).isSame(as: given) }
    }

    /// The best F1 of shared words over the right answers (SQuAD's, Rajpurkar et al. 2016).
    var tokenF1: Double {
        let given = AnswerText.words(of: prediction)
        return references.map { Self.tokenF1(given, AnswerText.words(of: $0)) }.max() ?? 0
    }

    private static func tokenF1(_ given: [String], _ right: [String]) -> Double {
        guard !given.isEmpty, !right.isEmpty else { return given.isEmpty && right.isEmpty ? 1 : 0 }
        var remaining: [ByteText: Int] = [:]
        for word in right { remaining[ByteText(word), default: 0] += 1 }
        var shared = 0
        for word in given.map(ByteText.init) {
            guard let count = remaining[word], count > 0 else { continue }
            remaining[word] = count - 1
            shared += 1
        }
        return 2 * Double(shared) / Double(given.count + right.count)
    }
}
