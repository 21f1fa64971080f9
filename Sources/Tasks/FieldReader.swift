import JSON

/// Reads an object's members by type, so that every refusal names the field, what was found and what was
/// expected in the same words.
struct FieldReader {
    let object: JSONObject
    /// Written before a key's name in messages: "" or "decoding.".
    let prefix: String
    let code: TaskError.Code

    func refuseUnknownKeys(_ known: [String]) throws(TaskError) {
        for key in object.keys where !known.contains(key) {
            throw TaskError(
                code, "unknown key \"\(prefix)\(key)\"; the keys are \(known.joined(separator: ", "))")
        }
    }

    func require<Value>(_ key: String, _ value: Value?) throws(TaskError) -> Value {
        guard let value else { throw TaskError(code, "the key \"\(prefix)\(key)\" is missing") }
        return value
    }

    func string(_ key: String) throws(TaskError) -> String? {
        try member(key, expected: "a string") { $0.string }
    }

    func boolean(_ key: String) throws(TaskError) -> Bool? {
        try member(key, expected: "true or false") { $0.bool }
    }

    func integer(_ key: String, in range: ClosedRange<Int>) throws(TaskError) -> Int? {
        try member(key, expected: "an integer from \(range.lowerBound) to \(range.upperBound)") {
            $0.int.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    func number(_ key: String) throws(TaskError) -> Double? {
        try member(key, expected: "a number") { $0.double }
    }

    func array(_ key: String, of elements: String) throws(TaskError) -> [JSONValue]? {
        try member(key, expected: "an array of \(elements)") { $0.array }
    }

    func object(_ key: String) throws(TaskError) -> JSONObject? {
        try member(key, expected: "an object") { $0.object }
    }

    func choice<Choice: RawRepresentable & CaseIterable>(_ key: String) throws(TaskError) -> Choice?
    where Choice.RawValue == String {
        let names = Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        return try member(key, expected: "one of \(names)") { $0.string.flatMap(Choice.init(rawValue:)) }
    }

    private func member<Value>(
        _ key: String, expected: @autoclosure () -> String, _ read: (JSONValue) -> Value?
    ) throws(TaskError) -> Value? {
        guard let value = object[key] else { return nil }
        guard let result = read(value) else {
            throw TaskError(code, "\"\(prefix)\(key)\": \(value.found) was found, \(expected()) was expected")
        }
        return result
    }
}

extension JSONValue {
    /// The value in the words of an error message; text is cut, so that a message stays a line.
    var found: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let value): "the number \(value.text.prefix(40))"
        case .string(let value): "the string \"\(value.count > 40 ? value.prefix(40) + "…" : value)\""
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The value as template or label text: a string as it is, a number or boolean by its JSON text.
    var scalarText: String? {
        switch self {
        case .string(let value): value
        case .number(let value): value.text
        case .bool(let value): value ? "true" : "false"
        case .null, .array, .object: nil
        }
    }
}
