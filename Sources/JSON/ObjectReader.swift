import Basics

/// An object whose members are read strictly.
///
/// A mistake in what someone wrote has the same words wherever it is made: the file and line, the member's path in the
/// document, what was found and what was expected. The reader throws the caller's own error:
///
/// ```swift
/// let reader = try ObjectReader(parsing: bytes, at: path, keys: ["name", "rows", "seed"]) { MyError($0) }
/// let name = try reader.require("name").string()
/// let rows = try reader["rows"]?.integer(in: 1...100) ?? 20
/// ```
public struct ObjectReader<Failure: Error> {
    /// The object.
    public let object: JSONObject
    /// Where the document stands: a file, or a file and a line.
    public var place: String { rules.place }
    /// Written before a key in messages: "" or "decoding.".
    public let prefix: String
    let rules: ReadingRules<Failure>

    /// A reader of an object.
    ///
    /// - Parameters:
    ///   - place: Where the object stands, written before every message: a file, or a file and a line.
    ///   - prefix: Written before a key in messages.
    ///   - keys: The keys that the object may have; any when `nil`.
    ///   - nullIsAbsent: Whether a member that is `null` counts as not given. Otherwise it is a value like any other.
    ///   - failure: Makes the error of a message.
    public init(
        _ object: JSONObject, at place: String = "", prefix: String = "", keys: [String]? = nil,
        nullIsAbsent: Bool = false, failure: @escaping (String) -> Failure
    ) throws(Failure) {
        try self.init(
            object, prefix: prefix, keys: keys,
            ReadingRules(place: place, nullIsAbsent: nullIsAbsent, failure: failure))
    }

    /// A reader of a document that must be an object.
    public init(
        parsing bytes: some Collection<UInt8>, at place: String = "", keys: [String]? = nil,
        nullIsAbsent: Bool = false, failure: @escaping (String) -> Failure
    ) throws(Failure) {
        self = try ValueReader(
            parsing: bytes, at: place, nullIsAbsent: nullIsAbsent, failure: failure
        ).object(keys: keys)
    }

    init(
        _ object: JSONObject, prefix: String, keys: [String]?, _ rules: ReadingRules<Failure>
    ) throws(Failure) {
        self.object = object
        self.prefix = prefix
        self.rules = rules
        if let keys { try allow(keys) }
    }

    /// Refuses members of other keys.
    ///
    /// - Parameter owner: What has these keys, when that depends on another member: "the method prompt".
    public func allow(_ keys: [String], of owner: String? = nil) throws(Failure) {
        for (key, _) in object where !keys.hasSame(as: key) {
            let owner = owner.map { " of \($0)" } ?? ""
            throw refusal(
                "unknown key \((prefix + key).quoted); the keys\(owner) are \(keys.joined(separator: ", "))")
        }
    }

    /// The member of a key, `nil` when there is none.
    public subscript(key: String) -> ValueReader<Failure>? {
        guard let value = object[key], !(rules.nullIsAbsent && value.isNull) else { return nil }
        return ValueReader(value: value, path: prefix + key, rules: rules)
    }

    /// The member of a key that must be there.
    ///
    /// - Parameter advice: What to do when it is not.
    public func require(_ key: String, _ advice: String? = nil) throws(Failure) -> ValueReader<Failure> {
        if let member = self[key] { return member }
        throw refusal("the key \((prefix + key).quoted) is missing" + (advice.map { "; \($0)" } ?? ""))
    }

    /// The error of what is wrong with the object as a whole.
    public func refusal(_ message: String) -> Failure { rules.refusal(message) }
}

/// What the readers of a document share.
struct ReadingRules<Failure: Error> {
    let place: String
    let nullIsAbsent: Bool
    let failure: (String) -> Failure

    func refusal(_ message: String) -> Failure { failure(place.isEmpty ? message : "\(place): \(message)") }
}
