import JSON

/// One request, as it is written on a line of JSON.
public struct InferenceRequest: Sendable {
    /// What a task is applied to.
    public enum Input: Sendable {
        /// Text for a template with one field, or an object with the template's fields.
        case text(JSONValue)
        /// Text that the template has been applied to already, as labelled examples hold it.
        case rendered(String)
        /// Token ids, used as they are.
        case ids([Int32])
    }

    /// Echoed in the response, as it came: a string or a number.
    public var id: JSONValue?
    /// "name" or "name@version"; `nil` runs the bare core.
    public var task: String?
    /// What the task is applied to.
    public var input: Input
    /// Most new ids, instead of the task's limit.
    public var maximumNewTokens: Int?
    /// Decoding options that replace the task's.
    public var decoding: JSONObject
    /// Only these labels of the task; for a task without labels (or none) texts to score.
    public var labels: [String]?

    /// A request made in code.
    public init(
        id: JSONValue? = nil, task: String?, input: Input, maximumNewTokens: Int? = nil,
        decoding: JSONObject = JSONObject(), labels: [String]? = nil
    ) {
        self.id = id
        self.task = task
        self.input = input
        self.maximumNewTokens = maximumNewTokens
        self.decoding = decoding
        self.labels = labels
    }

    /// The keys that a request may have.
    static let keys: Set<String> = ["id", "task", "input", "input_ids", "max_tokens", "labels"]
    /// Those of them that go to the decoding options.
    static let decodingKeys: Set<String> = ["temperature", "top_p", "top_k", "seed", "num_beams"]
    /// Most labels that a request may bring.
    static let maximumLabels = 10_000

    /// Reads a line. The request's id is returned even when the rest cannot be used, so that the error can be
    /// matched with it.
    public static func parse(_ line: [UInt8]) -> (
        id: JSONValue?, result: Result<InferenceRequest, ServingError>
    ) {
        let object: JSONObject
        do {
            guard let value = try JSONValue.parse(line).object else {
                return (nil, .failure(ServingError(.invalidRequest, "the line is not a JSON object")))
            }
            object = value
        } catch {
            return (nil, .failure(ServingError(.invalidJSON, "the line is not JSON: \(error)")))
        }
        var id: JSONValue?
        switch object["id"] {
        case .string?, .number?: id = object["id"]
        case nil, .null?: break
        case let other?:
            return (
                nil,
                .failure(
                    ServingError(
                        .invalidRequest, "id is \(article(other)); a string or a number was expected"))
            )
        }
        return (id, Result { () throws(ServingError) in try InferenceRequest(object, id: id) })
    }

    private init(_ object: JSONObject, id: JSONValue?) throws(ServingError) {
        self.id = id
        for key in object.keys where !Self.keys.contains(key) && !Self.decodingKeys.contains(key) {
            let known = Self.keys.union(Self.decodingKeys).sorted().joined(separator: ", ")
            throw ServingError(.invalidRequest, "unknown key \"\(key)\"; a request has \(known)")
        }
        switch object["task"] {
        case .string(let name)?: task = name
        case .null?: task = nil
        case nil:
            throw ServingError(
                .invalidRequest, "task is missing; give a task's name, or null for the bare core")
        case let other?:
            throw ServingError(
                .invalidRequest,
                "task is \(Self.article(other)); a string was expected, or null for the bare core")
        }
        input = try Self.input(object)
        if let limit = object["max_tokens"], !limit.isNull {
            guard let limit = limit.int, limit >= 1 else {
                throw ServingError(
                    .invalidRequest,
                    "max_tokens is \(limit.line.prefix(40)); a whole number from 1 was expected")
            }
            maximumNewTokens = limit
        }
        decoding = JSONObject(
            object.filter { Self.decodingKeys.contains($0.key) && !$0.value.isNull }.map {
                ($0.key, $0.value)
            })
        if let value = object["labels"], !value.isNull {
            guard let elements = value.array, (1...Self.maximumLabels).contains(elements.count) else {
                throw ServingError(
                    .invalidRequest,
                    "labels is \(Self.article(value)); an array of 1 to \(Self.maximumLabels) strings was expected"
                )
            }
            var labels: [String] = []
            for (index, element) in elements.enumerated() {
                guard let label = element.string else {
                    throw ServingError(
                        .invalidRequest, "labels[\(index)] is \(Self.article(element)); a string was expected"
                    )
                }
                labels.append(label)
            }
            self.labels = labels
        }
    }

    private static func input(_ object: JSONObject) throws(ServingError) -> Input {
        switch (object["input"], object["input_ids"]) {
        case (let text?, nil):
            guard text.string != nil || text.object != nil else {
                throw ServingError(
                    .invalidRequest,
                    "input is \(article(text)); a string or an object of the template's fields was expected")
            }
            return .text(text)
        case (nil, let ids?):
            guard let elements = ids.array else {
                throw ServingError(
                    .invalidRequest, "input_ids is \(article(ids)); an array of token ids was expected")
            }
            guard !elements.isEmpty else {
                throw ServingError(.invalidRequest, "input_ids is empty; at least one id was expected")
            }
            var values: [Int32] = []
            values.reserveCapacity(elements.count)
            for (index, element) in elements.enumerated() {
                guard let id = element.int else {
                    throw ServingError(
                        .invalidRequest,
                        "input_ids[\(index)] is \(element.line.prefix(40)); a token id was expected")
                }
                guard let id = Int32(exactly: id) else {
                    throw ServingError(.idOutOfRange, "input_ids[\(index)] is \(id), which no core has")
                }
                values.append(id)
            }
            return .ids(values)
        case (_?, _?):
            throw ServingError(
                .invalidRequest, "input and input_ids are both given; one of them was expected")
        case (nil, nil):
            throw ServingError(.invalidRequest, "input is missing; give input or input_ids")
        }
    }

    /// "a string", "an array" …
    private static func article(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .array(let elements): "an array of \(elements.count)"
        case .object: "an object"
        default: "a \(value.typeName)"
        }
    }
}
