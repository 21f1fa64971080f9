import JSON

/// Reads an object's members by type, so that every refusal names the key, what was found and what was
/// expected in the same words.
struct SettingsReader {
    let object: JSONObject
    /// Written before a key's name in messages: "" or "optimizer.".
    let prefix: String

    func refuse(_ key: String, _ expected: String) -> MethodError {
        MethodError(
            .invalidSettings, "\"\(prefix)\(key)\": \(found(object[key])) was found, \(expected) was expected"
        )
    }

    func refuseUnknownKeys(_ known: [String], of what: String) throws(MethodError) {
        for key in object.keys where !known.contains(key) {
            throw MethodError(
                .invalidSettings,
                "\"\(prefix)\(key)\" is no key of \(what); the keys are \(known.joined(separator: ", "))")
        }
    }

    func boolean(_ key: String, _ value: inout Bool) throws(MethodError) {
        guard let member = object[key] else { return }
        guard let found = member.bool else { throw refuse(key, "true or false") }
        value = found
    }

    func integer(_ key: String, in range: ClosedRange<Int>, _ value: inout Int) throws(MethodError) {
        guard let member = object[key] else { return }
        guard let found = member.int, range.contains(found) else {
            throw refuse(key, "an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        value = found
    }

    func number(_ key: String, in range: ClosedRange<Double>, _ value: inout Double) throws(MethodError) {
        guard let member = object[key] else { return }
        guard let found = member.double, range.contains(found) else {
            throw refuse(key, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        value = found
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, _ value: inout Choice
    ) throws(MethodError) where Choice.RawValue == String {
        guard let member = object[key] else { return }
        guard let found = member.string.flatMap(Choice.init(rawValue:)) else {
            throw refuse(
                key, "one of " + Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", "))
        }
        value = found
    }

    /// A value in the words of a message; text is cut, so that the message stays a line.
    private func found(_ value: JSONValue?) -> String {
        switch value {
        case nil: "nothing"
        case .null?: "null"
        case .bool(let value)?: value ? "true" : "false"
        case .number(let value)?: "the number \(value.text.prefix(40))"
        case .string(let value)?: "the string \"\(value.prefix(40))\""
        case .array?: "an array"
        case .object?: "an object"
        }
    }
}
