import Basics
import JSON

/// The text a task makes of its input: literal text with `{field}` placeholders.
///
/// `{{` and `}}` stand for literal braces. A field's name is made of ASCII letters, digits, `_`, `-` and `.`;
/// it may occur several times. What is put in for a field is never looked at again, so braces in a user's text
/// stay as they are.
public struct Template: Sendable, Equatable, CustomStringConvertible {
    /// A template may have this many bytes.
    public static let maximumLength = 1 << 16

    /// The template as it was written.
    public let source: String
    /// The fields' names in order of first occurrence; at least one.
    public let fields: [String]
    private let segments: [TemplateText.Segment]
    private let indices: [ByteText: Int]

    /// Keys of labelled rows that a field may not be named like.
    private static let reservedNames = ["label", "group"]

    /// Parses a template. Refused are one of more than ``maximumLength`` bytes, one without a field, a brace without its partner, an empty or malformed
    /// name, and the names `label` and `group`, which labelled rows use for the answer.
    public init(_ source: String) throws(TaskError) {
        guard source.utf8.count <= Self.maximumLength else {
            throw TaskError(
                "template: \(source.utf8.count) bytes were found, at most \(Self.maximumLength) were expected"
            )
        }
        self.source = source
        var segments: [TemplateText.Segment] = []
        var fields: [String] = []
        var indices: [ByteText: Int] = [:]
        var literal = ""
        let scalars = Array(source.unicodeScalars)
        var position = 0

        func failure(_ message: String) -> TaskError {
            TaskError("template: \(message) at character \(position + 1)")
        }
        func isBrace(_ brace: Unicode.Scalar, at index: Int) -> Bool {
            index < scalars.count && scalars[index] == brace
        }

        while position < scalars.count {
            let scalar = scalars[position]
            guard scalar == "{" || scalar == "}" else {
                literal.unicodeScalars.append(scalar)
                position += 1
                continue
            }
            if isBrace(scalar, at: position + 1) {
                literal.unicodeScalars.append(scalar)
                position += 2
                continue
            }
            guard scalar == "{" else { throw failure("\"}\" without \"{\"; write \"}}\" for a brace") }
            guard let end = scalars[position...].firstIndex(of: "}") else {
                throw failure("\"{\" without \"}\"; write \"{{\" for a brace")
            }
            let name = scalars[(position + 1)..<end]
            guard !name.isEmpty, name.allSatisfy(Self.isNameScalar) else {
                throw failure(
                    "a field's name of letters, digits, \"_\", \"-\" and \".\" was expected in the braces")
            }
            let field = String(String.UnicodeScalarView(name))
            guard !Self.reservedNames.contains(field) else {
                throw failure("the field name \(field.quoted) is reserved for labelled rows; choose another")
            }
            if !literal.isEmpty { segments.append(.literal(literal)) }
            literal = ""
            let index = indices[ByteText(field)] ?? fields.count
            segments.append(.field(index))
            if index == fields.count {
                indices[ByteText(field)] = index
                fields.append(field)
            }
            position = end + 1
        }
        if !literal.isEmpty { segments.append(.literal(literal)) }
        guard !fields.isEmpty else {
            throw TaskError("template: no field was found, at least one such as \"{input}\" was expected")
        }
        self.segments = segments
        self.fields = fields
        self.indices = indices
    }

    /// Whether both were written alike.
    public static func == (left: Template, right: Template) -> Bool { left.source.isSame(as: right.source) }

    /// The source.
    public var description: String { source }

    private static func isNameScalar(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_", "-", ".": true
        default: false
        }
    }
}

// MARK: - Rendering

extension Template {
    /// The text for a request's input: a string for a template with one field, or an object of fields.
    public func render(_ input: JSONValue) throws(TaskError) -> TemplateText {
        switch input {
        case .string(let text): return try render(text)
        case .object(let object): return try render(object)
        default:
            throw TaskError(
                "\"input\": \(input.found) was found, a string or an object of fields was expected")
        }
    }

    /// The text with `text` in place of the only field; refused when there are several.
    public func render(_ text: String) throws(TaskError) -> TemplateText {
        guard fields.count == 1 else {
            throw TaskError(
                "\"input\": a string was found, an object with the template's fields \(fields.quotedList) was "
                    + "expected")
        }
        return TemplateText(segments, values: [text])
    }

    /// The text with the object's members in place of the fields. Strings go in as they are, numbers and
    /// booleans by their JSON text; a missing field, a member that is no field and any other type are refused.
    public func render(_ object: JSONObject) throws(TaskError) -> TemplateText {
        for (key, _) in object where indices[ByteText(key)] == nil {
            throw TaskError(
                "\(key.quoted) is not a field of the template; its fields are \(fields.quotedList)")
        }
        return try renderMembers(of: object)
    }

    /// As ``render(_:)-(JSONObject)``, with members that are no fields left alone: a labelled row has more.
    func renderMembers(of object: JSONObject) throws(TaskError) -> TemplateText {
        var values: [String] = []
        values.reserveCapacity(fields.count)
        for field in fields {
            guard let value = object[field] else {
                throw TaskError(
                    "the field \(field.quoted) is missing; the template's fields are \(fields.quotedList)")
            }
            guard let text = value.scalarText else {
                throw TaskError(
                    "the field \(field.quoted): \(value.found) was found, a string, a number or a boolean was "
                        + "expected")
            }
            values.append(text)
        }
        return TemplateText(segments, values: values)
    }
}
