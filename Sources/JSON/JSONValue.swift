import Basics

/// A JSON document (RFC 8259) that keeps what decoders usually lose: the text of numbers and the order of keys.
///
/// Requests must be answered with their `id` exactly as it came, and a safetensors header must not have its
/// 64-bit offsets rounded through a `Double`; both need the number as it was written.
///
/// Two values are equal when their texts have the same bytes: see ``ByteText``.
public enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// The JSON name of the value's type, for error messages: "null", "boolean", "number" …
    public var typeName: String {
        switch self {
        case .null: "null"
        case .bool: "boolean"
        case .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    /// The value when it is a string.
    public var string: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The value when it is a boolean.
    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// The value when it is a number that is exactly a 64-bit integer (`3` and `3.0` are, `3.5` is not).
    public var int: Int? {
        if case .number(let value) = self { value.int } else { nil }
    }

    /// The value when it is a number with a finite double-precision value.
    public var double: Double? {
        if case .number(let value) = self { value.double } else { nil }
    }

    /// The value when it is an array.
    public var array: [JSONValue]? {
        if case .array(let value) = self { value } else { nil }
    }

    /// The value when it is an object.
    public var object: JSONObject? {
        if case .object(let value) = self { value } else { nil }
    }

    /// Whether the value is `null`.
    public var isNull: Bool { self == .null }
}

/// A number, as the text it was written with.
public struct JSONNumber: Sendable, Hashable {
    /// The number's text, always valid JSON.
    public let text: String

    /// Keeps a lexeme that the parser has checked.
    init(lexeme: String) { text = lexeme }

    /// The number for an integer.
    public init(_ value: some BinaryInteger) { text = String(value) }

    /// The shortest text that reads back as the same value; `nil` for infinities and NaN, which JSON lacks.
    public init?(_ value: Double) {
        guard value.isFinite else { return nil }
        text = value.description
    }

    /// The shortest text that reads back as the same single-precision value; `nil` for infinities and NaN.
    public init?(_ value: Float) {
        guard value.isFinite else { return nil }
        text = value.description
    }

    /// The number as a 64-bit integer when it is exactly one.
    public var int: Int? {
        if let value = Int(text) { return value }
        guard let value = Double(text), value.magnitude < 9_007_199_254_740_992 else { return nil }
        return Int(exactly: value)
    }

    /// The number as a double when it is finite in double precision.
    public var double: Double? {
        guard let value = Double(text), value.isFinite else { return nil }
        return value
    }
}

extension JSONValue {
    /// Whether both are the same document, numbers by their text and strings by their bytes.
    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.number(let left), .number(let right)): left == right
        case (.string(let left), .string(let right)): left.isSame(as: right)
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): left == right
        default: false
        }
    }
}

/// An object's members in the order they were written. Keys are unique, and told apart by their bytes.
public struct JSONObject: Sendable, Equatable, Sequence {
    private typealias Member = (key: String, value: JSONValue)

    private var members: [Member] = []
    /// The members' places by their keys; empty while there are few, which are looked through faster.
    private var places: [ByteText: Int] = [:]
    private static let few = 8

    /// An empty object.
    public init() {}

    /// The members in the order given; a later value of the same key replaces the earlier.
    public init(_ members: [(String, JSONValue)]) {
        self.members.reserveCapacity(members.count)
        for (key, value) in members { self[key] = value }
    }

    /// The keys in order.
    public var keys: [String] { members.map(\.key) }

    /// The number of members.
    public var count: Int { members.count }

    /// The member's value, `nil` when there is none. Setting `nil` removes the member.
    public subscript(key: String) -> JSONValue? {
        get { place(of: key).map { members[$0].value } }
        set {
            switch (place(of: key), newValue) {
            case (let place?, let value?): members[place].value = value
            case (nil, let value?):
                members.append((key, value))
                if members.count > Self.few { index() }
            case (let place?, nil):
                members.remove(at: place)
                places = [:]
                if members.count > Self.few { index() }
            case (nil, nil): break
            }
        }
    }

    private func place(of key: String) -> Int? {
        members.count > Self.few ? places[ByteText(key)] : members.firstIndex { $0.key.isSame(as: key) }
    }

    /// Enters the members that have no place yet.
    private mutating func index() {
        for place in places.count..<members.count { places[ByteText(members[place].key)] = place }
    }

    /// The members that pass, in order.
    public func members(where passes: (_ key: String, _ value: JSONValue) -> Bool) -> JSONObject {
        JSONObject(filter { passes($0.key, $0.value) }.map { ($0.key, $0.value) })
    }

    /// The members in order.
    public func makeIterator() -> some IteratorProtocol<(key: String, value: JSONValue)> {
        members.makeIterator()
    }

    /// Whether both have the same members in the same order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.members.elementsEqual(right.members) { $0.key.isSame(as: $1.key) && $0.value == $1.value }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
    ExpressibleByNilLiteral
{
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A number.
    public init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
    /// A number.
    public init(floatLiteral value: Double) { self = JSONValue(value) }
    /// A boolean.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An array.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object.
    public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
    /// `null`.
    public init(nilLiteral: ()) { self = .null }

    /// A number from an integer.
    public init(_ value: some BinaryInteger) { self = .number(JSONNumber(value)) }
    /// A number, or `null` when it is not finite.
    public init(_ value: Double) { self = JSONNumber(value).map(JSONValue.number) ?? .null }
    /// A number, or `null` when it is not finite.
    public init(_ value: Float) { self = JSONNumber(value).map(JSONValue.number) ?? .null }
    /// A string, or `null`.
    public init(_ value: String?) { self = value.map(JSONValue.string) ?? .null }
    /// An array of integers.
    public init(_ values: [Int]) { self = .array(values.map { JSONValue($0) }) }
    /// An array of numbers.
    public init(_ values: [Float]) { self = .array(values.map { JSONValue($0) }) }
}
