import Basics

/// Why a document was refused, and where.
public struct JSONError: DescribedError {
    /// What is wrong, and where: "unexpected end inside a string at byte 12", or "at line 3, column 7" where there are
    /// several lines.
    public let message: String
    /// Offset of the offending byte from the document's start.
    public let offset: Int
    /// Line of the offending byte, from 1.
    public let line: Int
    /// Byte column within the line, from 1.
    public let column: Int
    /// Nothing.
    public var cause: (any Error)? { nil }

    init(_ message: String, offset: Int, line: Int, column: Int) {
        self.message =
            line == 1 ? "\(message) at byte \(offset)" : "\(message) at line \(line), column \(column)"
        (self.offset, self.line, self.column) = (offset, line, column)
    }
}

extension JSONValue {
    /// Arrays and objects may be nested this deep; deeper input is refused, so that no document can exhaust
    /// the stack.
    public static let maximumDepth = 128

    /// A document may have this many values, keys not counted, unless its reader says otherwise: a value takes up to some
    /// hundred bytes of memory, however few it has in the document.
    public static let maximumValues = 1 << 20
    /// A number may have this many characters.
    public static let maximumNumberLength = 1024

    /// Parses one document. Strict RFC 8259: no comments, no trailing commas, no duplicate keys, no lone
    /// surrogates, valid UTF-8 only.
    ///
    /// - Parameter maximumValues: Most values that it may have, keys not counted.
    public static func parse(
        _ bytes: some Collection<UInt8>, maximumValues: Int = JSONValue.maximumValues
    ) throws(JSONError) -> JSONValue {
        let parsed: Result<JSONValue, JSONError>? = bytes.withContiguousStorageIfAvailable { buffer in
            var parser = JSONParser(bytes: buffer, maximumValues: maximumValues)
            return Result { () throws(JSONError) in try parser.document() }
        }
        if let parsed { return try parsed.get() }
        return try parse(Array(bytes), maximumValues: maximumValues)
    }

    /// Parses one document from text.
    public static func parse(_ text: String) throws(JSONError) -> JSONValue {
        try parse(Array(text.utf8))
    }
}

/// Recursive descent over bytes. Every read is checked against `bytes.count`.
private struct JSONParser {
    let bytes: UnsafeBufferPointer<UInt8>
    let maximumValues: Int
    var values = 0
    var position = 0
    var depth = 0

    init(bytes: UnsafeBufferPointer<UInt8>, maximumValues: Int) {
        self.bytes = bytes
        self.maximumValues = maximumValues
    }

    func failure(_ message: String, at offset: Int? = nil) -> JSONError {
        let offset = offset ?? position
        var line = 1
        var lineStart = 0
        for index in 0..<min(offset, bytes.count) where bytes[index] == UInt8(ascii: "\n") {
            line += 1
            lineStart = index + 1
        }
        return JSONError(message, offset: offset, line: line, column: offset - lineStart + 1)
    }

    var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipWhitespace() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            position += 1
        }
    }

    mutating func document() throws(JSONError) -> JSONValue {
        skipWhitespace()
        guard current != nil else { throw failure("the document is empty") }
        let value = try value()
        skipWhitespace()
        guard position == bytes.count else { throw failure("unexpected text after the document's end") }
        return value
    }

    mutating func value() throws(JSONError) -> JSONValue {
        guard let byte = current else { throw failure("unexpected end, a value was expected") }
        values += 1
        guard values <= maximumValues else { throw failure("more than \(maximumValues) values") }
        switch byte {
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
        default: throw failure("unexpected character, a value was expected")
        }
    }

    mutating func literal(_ text: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        guard bytes.count - position >= text.utf8CodeUnitCount else { throw failure("invalid literal") }
        for index in 0..<text.utf8CodeUnitCount where bytes[position + index] != text.utf8Start[index] {
            throw failure("invalid literal")
        }
        position += text.utf8CodeUnitCount
        return value
    }

    mutating func enter() throws(JSONError) {
        depth += 1
        guard depth <= JSONValue.maximumDepth else {
            throw failure("nested deeper than \(JSONValue.maximumDepth) levels")
        }
        position += 1
        skipWhitespace()
    }

    mutating func array() throws(JSONError) -> [JSONValue] {
        try enter()
        defer { depth -= 1 }
        var elements: [JSONValue] = []
        if current == UInt8(ascii: "]") {
            position += 1
            return elements
        }
        while true {
            skipWhitespace()
            elements.append(try value())
            skipWhitespace()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return elements
            case nil: throw failure("unexpected end inside an array")
            default: throw failure("\",\" or \"]\" was expected")
            }
        }
    }

    mutating func object() throws(JSONError) -> JSONObject {
        try enter()
        defer { depth -= 1 }
        var object = JSONObject()
        if current == UInt8(ascii: "}") {
            position += 1
            return object
        }
        while true {
            skipWhitespace()
            guard current == UInt8(ascii: "\"") else {
                throw failure(
                    current == nil ? "unexpected end inside an object" : "a key in quotes was expected")
            }
            let start = position
            let key = try string()
            guard object[key] == nil else { throw failure("duplicate key \(key.quoted)", at: start) }
            skipWhitespace()
            guard current == UInt8(ascii: ":") else { throw failure("\":\" was expected after a key") }
            position += 1
            skipWhitespace()
            object[key] = try value()
            skipWhitespace()
            switch current {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return object
            case nil: throw failure("unexpected end inside an object")
            default: throw failure("\",\" or \"}\" was expected")
            }
        }
    }

    mutating func digits() throws(JSONError) {
        let start = position
        while let byte = current, byte >= 0x30, byte <= 0x39 { position += 1 }
        guard position > start else { throw failure("a digit was expected") }
    }

    mutating func number() throws(JSONError) -> JSONNumber {
        let start = position
        if current == UInt8(ascii: "-") { position += 1 }
        if current == UInt8(ascii: "0") {
            position += 1
            if let byte = current, byte >= 0x30, byte <= 0x39 {
                throw failure("a number must not begin with 0")
            }
        } else {
            try digits()
        }
        if current == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            position += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        guard position - start <= JSONValue.maximumNumberLength else {
            throw failure("a number of more than \(JSONValue.maximumNumberLength) characters", at: start)
        }
        return JSONNumber(lexeme: String(decoding: bytes[start..<position], as: UTF8.self))
    }

    mutating func string() throws(JSONError) -> String {
        position += 1
        let start = position
        // Almost every string has no escapes: validate and copy it in one go.
        while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
            position += 1
        }
        if current == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try text(UnsafeBufferPointer(rebasing: bytes[start..<position]), at: start)
        }
        var decoded = Array(bytes[start..<position])
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return try text(decoded, at: start)
            case UInt8(ascii: "\\"): try escape(into: &decoded)
            case 0..<0x20: throw failure("a control character must be escaped")
            default:
                decoded.append(byte)
                position += 1
            }
        }
        throw failure("unexpected end inside a string")
    }

    func text(_ utf8: some Collection<UInt8>, at start: Int) throws(JSONError) -> String {
        guard let text = String(validating: utf8, as: UTF8.self) else {
            throw failure("the string that begins here is not valid UTF-8", at: start)
        }
        return text
    }

    mutating func escape(into decoded: inout [UInt8]) throws(JSONError) {
        let start = position
        position += 1
        guard let byte = current else { throw failure("unexpected end inside a string") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(byte)
        case UInt8(ascii: "b"): decoded.append(0x08)
        case UInt8(ascii: "f"): decoded.append(0x0C)
        case UInt8(ascii: "n"): decoded.append(0x0A)
        case UInt8(ascii: "r"): decoded.append(0x0D)
        case UInt8(ascii: "t"): decoded.append(0x09)
        case UInt8(ascii: "u"):
            var scalar = UInt32(try hexadecimal())
            if (0xD800..<0xDC00).contains(scalar), bytes.count - position >= 2,
                bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = UInt32(try hexadecimal())
                guard (0xDC00..<0xE000).contains(low) else { throw failure("a lone surrogate", at: start) }
                scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let unicode = Unicode.Scalar(scalar) else { throw failure("a lone surrogate", at: start) }
            decoded.append(contentsOf: unicode.utf8)
        default: throw failure("an unknown escape", at: start)
        }
    }

    mutating func hexadecimal() throws(JSONError) -> UInt16 {
        guard bytes.count - position >= 4 else { throw failure("four hexadecimal digits were expected") }
        var value: UInt16 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch bytes[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = bytes[position] - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = bytes[position] - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = bytes[position] - UInt8(ascii: "A") + 10
            default: throw failure("a hexadecimal digit was expected")
            }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }
}
