import JSON

/// Reads settings by type, so that every refusal names the file and the key in the same words.
struct DescriptionReader {
    let object: JSONObject
    /// Where the settings come from, for messages.
    let place: String

    func refuseUnknownKeys(_ known: [String]) throws(TrainingError) {
        for key in object.keys where !known.contains(key) {
            throw TrainingError(
                .settings, "\(place): unknown key \"\(key)\"; the keys are \(known.joined(separator: ", "))")
        }
    }

    func string(_ key: String) throws(TrainingError) -> String? {
        try member(key, "a string") { $0.string }
    }

    func bool(_ key: String) throws(TrainingError) -> Bool? {
        try member(key, "true or false") { $0.bool }
    }

    func integer(_ key: String, in range: ClosedRange<Int>) throws(TrainingError) -> Int? {
        try member(key, "a whole number from \(range.lowerBound) to \(range.upperBound)") {
            $0.int.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    func number(_ key: String, in range: ClosedRange<Double>) throws(TrainingError) -> Double? {
        try member(key, "a number from \(range.lowerBound) to \(range.upperBound)") {
            $0.double.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    func choice<Choice: RawRepresentable & CaseIterable>(_ key: String) throws(TrainingError) -> Choice?
    where Choice.RawValue == String {
        let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return try member(key, "one of \(names)") { $0.string.flatMap(Choice.init(rawValue:)) }
    }

    /// The value, or `nil` when there is none; `null` is none.
    func member<Value>(
        _ key: String, _ expected: @autoclosure () -> String, _ read: (JSONValue) -> Value?
    ) throws(TrainingError) -> Value? {
        guard let value = object[key], !value.isNull else { return nil }
        guard let result = read(value) else {
            throw TrainingError(
                .settings, "\(place): \(key) is \(value.line.prefix(60)); \(expected()) was expected")
        }
        return result
    }
}
