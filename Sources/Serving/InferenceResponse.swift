import JSON

/// The answer to one request.
public struct InferenceResponse: Sendable {
    /// Why generation ended.
    public enum FinishReason: String, Sendable {
        /// The end-of-sequence id was produced, or a label was chosen.
        case stop
        /// The limit of new ids was reached first.
        case length
    }

    /// Rows and ids that the request took.
    public struct Usage: Sendable, Equatable {
        /// Rows of the task's prompt; of all members' for an ensemble.
        public var promptTokens: Int
        /// Ids of the input, the end-of-sequence id included; of all members' inputs for an ensemble.
        public var inputTokens: Int
        /// Ids of the output, the end-of-sequence id included where it was produced.
        public var outputTokens: Int
        /// Whether the text was cut at the task's limit.
        public var isTruncated: Bool
    }

    /// An answer.
    public struct Answer: Sendable {
        /// The task's name; `nil` for the bare core.
        public var task: String?
        /// The task's version; `nil` for the bare core and for ensembles.
        public var version: Int?
        /// The generated text, or the chosen label's; `nil` when the core has no tokenizer.
        public var output: String?
        /// The output's ids.
        public var outputIDs: [Int32]
        /// The likeliest label's name, when labels were scored.
        public var label: String?
        /// Each label's probability in the task's order.
        public var scores: [(label: String, probability: Double)]?
        /// Why generation ended.
        public var finishReason: FinishReason
        /// What the request took.
        public var usage: Usage
    }

    /// The request's id.
    public var id: JSONValue?
    /// The answer, or why there is none.
    public var result: Result<Answer, ServingError>

    /// An answer to the request with that id.
    public init(id: JSONValue?, result: Result<Answer, ServingError>) {
        self.id = id
        self.result = result
    }

    /// The response as a JSON object.
    public var json: JSONValue {
        var object = JSONObject()
        if let id { object["id"] = id }
        switch result {
        case .failure(let error):
            object["error"] = ["code": .string(error.code.rawValue), "message": .string(error.message)]
        case .success(let answer):
            object["task"] = JSONValue(answer.task)
            if let version = answer.version { object["version"] = JSONValue(version) }
            object["output"] = JSONValue(answer.output)
            object["output_ids"] = JSONValue(answer.outputIDs.map(Int.init))
            if let label = answer.label { object["label"] = .string(label) }
            if let scores = answer.scores {
                object["scores"] = .object(
                    JSONObject(scores.map { ($0.label, JSONValue(Float($0.probability))) }))
            }
            object["finish_reason"] = .string(answer.finishReason.rawValue)
            var usage: JSONObject = JSONObject([
                ("prompt_tokens", JSONValue(answer.usage.promptTokens)),
                ("input_tokens", JSONValue(answer.usage.inputTokens)),
                ("output_tokens", JSONValue(answer.usage.outputTokens)),
            ])
            if answer.usage.isTruncated { usage["truncated"] = true }
            object["usage"] = .object(usage)
        }
        return .object(object)
    }
}
