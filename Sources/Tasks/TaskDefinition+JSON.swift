import JSON

extension TaskDefinition {
    /// The keys of `task.json`, in the order ``json`` writes them.
    public static let keys = [
        "name", "description", "template", "labels", "metric", "max_input_tokens", "max_new_tokens",
        "decoding",
        "target_prefix", "normalize",
    ]

    /// Parses the text of a `task.json`.
    public init(parsing bytes: some Collection<UInt8>) throws(TaskError) {
        let document: JSONValue
        do {
            document = try JSONValue.parse(bytes)
        } catch {
            throw TaskError(.invalidTask, "not JSON: \(error)")
        }
        guard let object = document.object else {
            throw TaskError(.invalidTask, "\(document.found) was found, an object was expected")
        }
        try self.init(json: object)
    }

    /// Reads a `task.json` strictly. Required are `name` and `template`; unknown keys and wrong types are
    /// refused.
    public init(json object: JSONObject) throws(TaskError) {
        let reader = FieldReader(object: object, prefix: "", code: .invalidTask)
        try reader.refuseUnknownKeys(Self.keys)
        let decoding = try reader.object("decoding")
        let labels = try reader.array("labels", of: "objects with \"label\" and \"text\"")
        try self.init(
            name: try reader.require("name", try reader.string("name")),
            description: try reader.string("description") ?? "",
            template: Template(try reader.require("template", try reader.string("template"))),
            verbalizer: try Self.verbalizer(labels),
            metric: try reader.choice("metric"),
            maxInputTokens: try reader.integer("max_input_tokens", in: Self.inputTokenLimits) ?? 512,
            maxNewTokens: try reader.integer("max_new_tokens", in: Self.newTokenLimits) ?? 32,
            decoding: try Self.decoding(decoding),
            targetPrefix: try reader.string("target_prefix") ?? "",
            normalize: try reader.choice("normalize") ?? .labels)
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

    private static func decoding(_ object: JSONObject?) throws(TaskError) -> DecodingDefaults {
        guard let object else { return DecodingDefaults() }
        return try DecodingDefaults(json: object)
    }

    private static func verbalizer(_ values: [JSONValue]?) throws(TaskError) -> Verbalizer? {
        guard let values else { return nil }
        var labels: [Verbalizer.Label] = []
        for (index, value) in values.enumerated() {
            guard let object = value.object else {
                throw TaskError(
                    .invalidTask,
                    "\"labels[\(index)]\": \(value.found) was found, an object with \"label\" and \"text\" was "
                        + "expected")
            }
            let reader = FieldReader(object: object, prefix: "labels[\(index)].", code: .invalidTask)
            try reader.refuseUnknownKeys(["label", "text"])
            labels.append(
                Verbalizer.Label(
                    name: try reader.require("label", try reader.string("label")),
                    text: try reader.require("text", try reader.string("text"))))
        }
        return try Verbalizer(labels)
    }
}
