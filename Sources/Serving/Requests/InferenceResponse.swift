import JSON

/// The answer to one request.
public struct InferenceResponse: Sendable {
    /// Why generation ended.
    public enum FinishReason: String, Sendable {
        /// The end-of-sequence id or a stop text was produced, or a label was chosen.
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
        /// Ids of all outputs, the end-of-sequence id included where it was produced.
        public var outputTokens: Int
        /// Whether the text was cut at the task's limit.
        public var isTruncated: Bool
    }

    /// One of several outputs.
    public struct Output: Sendable, Equatable {
        /// The generated text, up to the first stop text; `nil` when the core has no tokenizer.
        public var text: String?
        /// The generated ids, those of a stop text included.
        public var ids: [Int32]
        /// Why generation ended.
        public var finishReason: FinishReason
    }

    /// An answer.
    public struct Answer: Sendable {
        /// The task's name; `nil` for the bare core.
        public var task: String?
        /// The task's version; `nil` for the bare core and for ensembles.
        public var version: Int?
        /// The generated text, up to the first stop text, or the chosen label's; `nil` when the core has no
        /// tokenizer.
        public var output: String?
        /// The output's ids, those of a stop text included.
        public var outputIDs: [Int32]
        /// All outputs, the best first, when the task returns several (`num_return_sequences`); `output` and
        /// `outputIDs` are the first one's. In JSON `"outputs": [{"output", "output_ids", "finish_reason"},
        /// …]`.
        public var outputs: [Output]
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
            if !answer.outputs.isEmpty {
                object["outputs"] = .array(
                    answer.outputs.map { output in
                        [
                            "output": JSONValue(output.text),
                            "output_ids": JSONValue(output.ids.map(Int.init)),
                            "finish_reason": .string(output.finishReason.rawValue),
                        ]
                    })
            }
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
