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
