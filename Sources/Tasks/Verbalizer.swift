/// A task's labels and the texts that stand for them: what is reported is the label's name, what the core is
/// asked for is its text.
public struct Verbalizer: Sendable, Hashable {
    /// One label.
    public struct Label: Sendable, Hashable {
        /// The name in data, responses and scores.
        public let name: String
        /// The text the core scores or generates.
        public let text: String

        /// A label.
        public init(name: String, text: String) {
            self.name = name
            self.text = text
        }
    }

    /// A verbalizer has at most this many labels.
    public static let maximumCount = 10_000

    /// The labels in the task's order; at least one.
    public let labels: [Label]
    private let indexByName: [String: Int]
    private let indexByText: [String: Int]
    /// Labels by the normal form of their text; `nil` where two labels share one.
    private let indexByNormalForm: [String: Int?]

    /// Checks the labels: at least one and at most ``maximumCount``, names and texts not blank, no name and no
    /// text twice (texts are compared with their runs of white space as one space, as SentencePiece reads them).
    public init(_ labels: [Label]) throws(TaskError) {
        guard (1...Self.maximumCount).contains(labels.count) else {
            throw TaskError("labels: \(labels.count) were found, 1 to \(Self.maximumCount) were expected")
        }
        var byName: [String: Int] = [:]
        var byText: [String: Int] = [:]
        var byNormalForm: [String: Int?] = [:]
        for (index, label) in labels.enumerated() {
            guard !Self.collapsed(label.name).isEmpty else {
                throw TaskError("labels[\(index)]: the label's name is empty")
            }
            guard !Self.collapsed(label.text).isEmpty else {
                throw TaskError("labels[\(index)]: the text of \"\(label.name)\" is empty")
            }
            if let earlier = byName.updateValue(index, forKey: label.name) {
                throw TaskError("labels[\(index)]: \"\(label.name)\" is already labels[\(earlier)]")
            }
            if let earlier = byText.updateValue(index, forKey: Self.collapsed(label.text)) {
                throw TaskError(
                    "labels[\(index)]: the text \"\(label.text)\" is already that of labels[\(earlier)]")
            }
            let normalForm = AnswerText.normalized(label.text)
            byNormalForm.updateValue(byNormalForm[normalForm] == nil ? index : nil, forKey: normalForm)
        }
        self.labels = labels
        indexByName = byName
        indexByText = byText
        indexByNormalForm = byNormalForm
    }

    /// The labels' names in order.
    public var names: [String] { labels.map(\.name) }
    /// The labels' texts in order.
    public var texts: [String] { labels.map(\.text) }

    /// The index of the label of this name.
    public func index(ofName name: String) -> Int? { indexByName[name] }

    /// The text that stands for the label of this name.
    public func text(forName name: String) -> String? { indexByName[name].map { labels[$0].text } }

    /// The label whose text is `text`, white space aside.
    public func label(withText text: String) -> Label? {
        indexByText[Self.collapsed(text)].map { labels[$0] }
    }

    /// The label that generated text means: the one whose text it is, or else the only one with the same normal
    /// form (``AnswerText/normalized(_:)``). `nil` when it is none or could be several.
    public func answerLabel(forText text: String) -> Label? {
        if let label = label(withText: text) { return label }
        return indexByNormalForm[AnswerText.normalized(text)].flatMap { $0 }.map { labels[$0] }
    }

    /// The verbalizer of only these labels, in the order of `names`. A name that the task lacks or that occurs
    /// twice is refused.
    public func restricted(to names: [String]) throws(TaskError) -> Verbalizer {
        var chosen: [Label] = []
        for name in names {
            guard let index = indexByName[name] else {
                let known = self.names.prefix(20).map { "\"\($0)\"" }.joined(separator: ", ")
                throw TaskError(
                    "the task has no label \"\(name)\"; its labels are \(known)\(labels.count > 20 ? ", …" : "")"
                )
            }
            chosen.append(labels[index])
        }
        return try Verbalizer(chosen)
    }

    /// Whether both have the same labels in the same order.
    public static func == (left: Verbalizer, right: Verbalizer) -> Bool { left.labels == right.labels }

    /// Hashes the labels.
    public func hash(into hasher: inout Hasher) { hasher.combine(labels) }

    private static func collapsed(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
