import JSON

/// JSON of which equal values have equal bytes: one line, the keys of every object in the order of their UTF-8.
enum CanonicalJSON {
    static func bytes(of value: JSONValue) -> [UInt8] { sorted(value).lineBytes }

    private static func sorted(_ value: JSONValue) -> JSONValue {
        switch value {
        case .array(let elements):
            return .array(elements.map(sorted))
        case .object(let object):
            let keys = object.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            return .object(JSONObject(keys.map { ($0, sorted(object[$0] ?? .null)) }))
        default:
            return value
        }
    }
}

/// Takes a stored object's members one by one and says what is wrong with them, for strict reading.
struct StrictObject {
    struct Problem: Error { let message: String }

    private var object: JSONObject

    init(_ bytes: [UInt8]) throws {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(bytes)
        } catch {
            throw Problem(message: "it is not JSON: \(error)")
        }
        guard let object = value.object else { throw Problem(message: "it is not an object") }
        self.object = object
    }

    init(_ object: JSONObject) { self.object = object }

    mutating func take<Value>(
        _ key: String, _ expected: String, _ read: (JSONValue) throws -> Value?
    ) throws -> Value {
        guard let value = try takeIfPresent(key, expected, read) else {
            throw Problem(message: "\"\(key)\" is missing")
        }
        return value
    }

    mutating func takeIfPresent<Value>(
        _ key: String, _ expected: String, _ read: (JSONValue) throws -> Value?
    ) throws -> Value? {
        guard let value = object[key] else { return nil }
        object[key] = nil
        guard let result = try read(value) else { throw Problem(message: "\"\(key)\" is not \(expected)") }
        return result
    }

    /// Refuses members that nobody took.
    func finish() throws {
        if let key = object.keys.first { throw Problem(message: "\"\(key)\" is unknown") }
    }
}
