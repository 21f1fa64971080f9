import Basics

/// A task's labels and the texts that stand for them: what is reported is the label's name, what the core is
/// asked for is its text.
public struct Verbalizer: Sendable, Equatable {
    /// One label.
    public struct Label: Sendable, Equatable {
        /// The name in data, responses and scores.
        public let name: String
        /// The text the core scores or generates.
        public let text: String

        /// A label.
        public init(name: String, text: String) {
            self.name = name
            self.text = text
        }

        /// Whether both have the same name and text, by their bytes.
        public static func == (left: Label, right: Label) -> Bool {
            left.name.isSame(as: right.name) && left.text.isSame(as: right.text)
        }
    }

    /// A verbalizer has at most this many labels.
    public static let maximumCount = 10_000

    /// The labels in the task's order; at least one.
    public let labels: [Label]
    private let indexByName: [ByteText: Int]

    /// Checks the labels: at least one and at most ``maximumCount``, names and texts not blank, no name and no
    /// text twice. Names and texts are compared by their bytes, texts with their runs of white space as one space, as
    /// SentencePiece reads them.
    public init(_ labels: [Label]) throws(TaskError) {
        guard (1...Self.maximumCount).contains(labels.count) else {
            throw TaskError("labels: \(labels.count) were found, 1 to \(Self.maximumCount) were expected")
        }
        var byName: [ByteText: Int] = [:]
        var byText: [ByteText: Int] = [:]
        for (index, label) in labels.enumerated() {
            guard !Self.collapsed(label.name).isEmpty else {
                throw TaskError("labels[\(index)]: the label's name is empty")
            }
            let text = Self.collapsed(label.text)
            guard !text.isEmpty else {
                throw TaskError("labels[\(index)]: the text of \(label.name.quoted) is empty")
            }
            if let earlier = byName.updateValue(index, forKey: ByteText(label.name)) {
                throw TaskError("labels[\(index)]: \(label.name.quoted) is already labels[\(earlier)]")
            }
            if let earlier = byText.updateValue(index, forKey: ByteText(text)) {
                throw TaskError(
                    "labels[\(index)]: the text \(label.text.quoted) is already that of labels[\(earlier)]")
            }
        }
        self.labels = labels
        indexByName = byName
    }

    /// The labels' names in order.
    public var names: [String] { labels.map(\.name) }
    /// The labels' texts in order.
    public var texts: [String] { labels.map(\.text) }

    /// The index of the label of this name.
    public func index(ofName name: String) -> Int? { indexByName[ByteText(name)] }

    /// The verbalizer of only these labels, in the order of `names`. A name that the task lacks or that occurs
    /// twice is refused.
    public func restricted(to names: [String]) throws(TaskError) -> Verbalizer {
        var chosen: [Label] = []
        for name in names {
            guard let index = indexByName[ByteText(name)] else {
                throw TaskError(
                    "the task has no label \(name.quoted); its labels are \(self.names.quotedList)")
            }
            chosen.append(labels[index])
        }
        return try Verbalizer(chosen)
    }

    /// Whether both have the same labels in the same order.
    public static func == (left: Verbalizer, right: Verbalizer) -> Bool { left.labels == right.labels }

    private static func collapsed(_ text: String) -> String {
        var bytes: [UInt8] = []
        var isBehindSpace = false
        for scalar in text.unicodeScalars {
            guard !scalar.properties.isWhitespace else {
                isBehindSpace = true
                continue
            }
            if isBehindSpace, !bytes.isEmpty { bytes.append(0x20) }
            isBehindSpace = false
            bytes.append(contentsOf: scalar.utf8)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
