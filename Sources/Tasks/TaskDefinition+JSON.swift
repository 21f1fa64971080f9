import JSON
import T5

extension TaskDefinition {
    /// The keys of `task.json`, in the order ``json`` writes them.
    public static let keys = [
        "name", "description", "template", "labels", "metric", "max_input_tokens", "max_new_tokens",
        "decoding",
        "target_prefix", "normalize",
    ]

    /// Parses the text of a `task.json`.
    public init(parsing bytes: some Collection<UInt8>) throws(TaskError) {
        try self.init(ObjectReader(parsing: bytes, keys: Self.keys) { TaskError($0) })
    }

    /// Reads a `task.json` strictly. Required are `name` and `template`; unknown keys, wrong types and `null` are
    /// refused.
    public init(json object: JSONObject) throws(TaskError) {
        try self.init(ObjectReader(object, keys: Self.keys) { TaskError($0) })
    }

    private init(_ reader: ObjectReader<TaskError>) throws(TaskError) {
        let labels = "objects with \"label\" and \"text\""
        try self.init(
            name: reader.require("name").string(), description: reader["description"]?.string() ?? "",
            template: Template(reader.require("template").string()),
            verbalizer: Self.verbalizer(reader["labels"]?.elements(of: labels)),
            metric: reader["metric"]?.choice(),
            maxInputTokens: reader["max_input_tokens"]?.integer(in: Self.inputTokenLimits) ?? 512,
            maxNewTokens: reader["max_new_tokens"]?.integer(in: Self.newTokenLimits) ?? 32,
            decoding: Self.decoding(reader["decoding"]?.object(keys: DecodingOptions.keys)),
            targetPrefix: reader["target_prefix"]?.string() ?? "",
            normalize: reader["normalize"]?.choice() ?? .labels)
    }

    /// The definition with every key in a fixed order, `labels` only when there are any: equal definitions have
    /// equal bytes, and a stored definition keeps its meaning when a default changes.
    public var json: JSONObject {
        var object = JSONObject([
            ("name", .string(name)), ("description", .string(description)),
            ("template", .string(template.source)),
        ])
        if let verbalizer {
            object["labels"] = .array(
                verbalizer.labels.map { ["label": .string($0.name), "text": .string($0.text)] })
        }
        object["metric"] = .string(metric.rawValue)
        object["max_input_tokens"] = JSONValue(maxInputTokens)
        object["max_new_tokens"] = JSONValue(maxNewTokens)
        object["decoding"] = .object(decoding.json)
        object["target_prefix"] = .string(targetPrefix)
        object["normalize"] = .string(normalize.rawValue)
        return object
    }

    private static func decoding(_ reader: ObjectReader<TaskError>?) throws(TaskError) -> DecodingOptions {
        guard let reader else { return DecodingOptions() }
        return try DecodingOptions(reader)
    }

    private static func verbalizer(
        _ elements: [ValueReader<TaskError>]?
    ) throws(TaskError) -> Verbalizer? {
        guard let elements else { return nil }
        var labels: [Verbalizer.Label] = []
        for element in elements {
            let reader = try element.object(
                keys: ["label", "text"], "an object with \"label\" and \"text\"")
            labels.append(
                try Verbalizer.Label(
                    name: reader.require("label").string(), text: reader.require("text").string()))
        }
        return try Verbalizer(labels)
    }
}
