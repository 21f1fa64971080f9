import Basics

/// A template's text for one input, put together only as far as it is read.
///
/// A template may name a field many times, and a core reads the beginning of a long text: so the parts are kept, each
/// value once, and the text is made of them when somebody asks how it begins.
public struct TemplateText: Sendable, Equatable {
    /// A part of a template.
    enum Segment: Sendable, Equatable {
        case literal(String)
        /// The index of a field.
        case field(Int)
    }

    private let segments: [Segment]
    private let values: [String]

    /// A template's parts and its fields' values.
    init(_ segments: [Segment], values: [String]) {
        self.segments = segments
        self.values = values
    }

    /// A text as it is.
    public init(_ text: String) { self.init([.field(0)], values: [text]) }

    /// The whole text.
    public var text: String { text(upTo: .max).text }

    /// The bytes of the template and of its fields' values, each value counted once.
    package var partBytes: Int {
        segments.reduce(0) { count, segment in
            if case .literal(let text) = segment { count + text.utf8.count } else { count }
        } + values.reduce(0) { $0 + $1.utf8.count }
    }

    /// The text's beginning: of so many bytes, or up to three more where a character ends; the whole text if it has no
    /// more.
    public func text(upTo bytes: Int) -> (text: String, isWhole: Bool) {
        var result = ""
        for segment in segments {
            let part =
                switch segment {
                case .literal(let text): text
                case .field(let index): values[index]
                }
            let room = bytes - result.utf8.count
            guard part.utf8.count > room else {
                result += part
                continue
            }
            var end = part.utf8.index(part.startIndex, offsetBy: max(0, room))
            while end.samePosition(in: part.unicodeScalars) == nil { part.utf8.formIndex(after: &end) }
            result += part[..<end]
            return (result, false)
        }
        return (result, true)
    }

    /// Whether both are the same text.
    public static func == (left: TemplateText, right: TemplateText) -> Bool {
        left.text.isSame(as: right.text)
    }
}
