import Basics
import JSON
import Tasks

/// One request, as it is written on a line of JSON.
public struct InferenceRequest: Sendable {
    /// What a task is applied to.
    public enum Input: Sendable {
        /// Text for a template with one field, or an object with the template's fields.
        case text(JSONValue)
        /// Text that the template has been applied to already, as labelled examples hold it.
        case rendered(TemplateText)
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
    private static let keys = ["id", "task", "input", "input_ids", "max_tokens", "labels"] + decodingKeys
    /// Those of them that go to the decoding options.
    private static let decodingKeys = ["temperature", "top_p", "top_k", "seed", "num_beams"]
    /// Most bytes that an id may have, as it is written.
    public static let maximumIDBytes = 1024
    /// Most labels that a request may bring.
    private static let maximumLabels = 10_000
    /// Most values that a line may have: more than the longest input, ``TaskDefinition/inputTokenLimits``, and as many
    /// labels as there may be.
    public static let maximumValues = 1 << 18

    /// Reads a line. The request's id is returned even when the rest cannot be used, so that the error can be
    /// matched with it.
    public static func parse(_ line: [UInt8]) -> (
        id: JSONValue?, result: Result<InferenceRequest, ServingError>
    ) {
        var id: JSONValue?
        let result = Result { () throws(ServingError) in
            let document: JSONValue
            do { document = try JSONValue.parse(line, maximumValues: maximumValues) } catch {
                throw ServingError(.invalidJSON, "the line is not JSON: \(error)")
            }
            let reader = try ValueReader(document, nullIsAbsent: true) {
                ServingError(.invalidRequest, $0)
            }.object()
            id = try reader["id"]?.read("a string or a number of at most \(maximumIDBytes) bytes") {
                (value) -> JSONValue? in
                let text: String
                switch value {
                case .string(let string): text = string
                case .number: text = value.line
                // `.none`, since `nil` would be JSON's null.
                default: return .none
                }
                return text.utf8.count <= maximumIDBytes ? value : .none
            }
            return try InferenceRequest(reader, id: id)
        }
        return (id, result)
    }

    private init(_ reader: ObjectReader<ServingError>, id: JSONValue?) throws(ServingError) {
        self.id = id
        try reader.allow(Self.keys)
        guard reader.object["task"] != nil else {
            throw reader.refusal("the key \"task\" is missing; give a task's name, or null for the bare core")
        }
        task = try reader["task"]?.string()
        input = try Input(reader)
        maximumNewTokens = try reader["max_tokens"]?.integer()
        decoding = JSONObject(
            reader.object.filter { Self.decodingKeys.hasSame(as: $0.key) }.map { ($0.key, $0.value) })
        labels = try reader["labels"]?.strings(count: 1...Self.maximumLabels)
    }
}

extension InferenceRequest.Input {
    fileprivate init(_ reader: ObjectReader<ServingError>) throws(ServingError) {
        guard reader.object["input_ids"] != nil else {
            self = .text(
                try reader.require("input", "give input or input_ids").read(
                    "a string or an object of the template's fields"
                ) { (value) -> JSONValue? in
                    // `.none`, since `nil` would be JSON's null.
                    value.string != nil || value.object != nil ? value : .none
                })
            return
        }
        guard reader.object["input"] == nil else {
            throw reader.refusal("\"input\" and \"input_ids\" are both given; one of them was expected")
        }
        let values: [Int] = try reader.require("input_ids").integers(count: 1...Int.max)
        var ids: [Int32] = []
        ids.reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            guard let id = Int32(exactly: value) else {
                throw ServingError(.idOutOfRange, "input_ids[\(index)] is \(value), which no core has")
            }
            ids.append(id)
        }
        self = .ids(ids)
    }
}
