import Basics
import T5

/// What a task is besides its prompt: the content of `task.json`.
///
/// A value of this type keeps all the rules below, whichever initializer made it.
public struct TaskDefinition: Sendable, Equatable {
    /// Bounds of ``maxInputTokens``.
    public static let inputTokenLimits = 1...131_072
    /// Bounds of ``maxNewTokens``.
    public static let newTokenLimits = 1...65_536

    /// The task's name: `[a-z0-9][a-z0-9._-]{0,127}`.
    public let name: String
    /// What the task does, in a sentence; may be empty.
    public let description: String
    /// The text made of an input.
    public let template: Template
    /// The labels, at least two; `nil` for a task that answers in free text.
    public let verbalizer: Verbalizer?
    /// The metric by which prompts of this task are compared.
    public let metric: Metric
    /// Text longer than this many ids is cut; the last id kept is the end of sequence.
    public let maxInputTokens: Int
    /// Free-text answers end after this many ids.
    public let maxNewTokens: Int
    /// How free text is decoded unless a request says otherwise.
    public let decoding: DecodingOptions
    /// Text whose ids the decoder is given before every answer; may be empty.
    public let targetPrefix: String
    /// Over what the probability of each piece of a label is taken. Over the vocabulary the labels' probabilities
    /// are then a softmax over their summed log-likelihoods.
    public let normalize: LabelNormalization

    /// Checks every rule. `metric` defaults to `accuracy` with labels and to `exact_match` without.
    public init(
        name: String, description: String = "", template: Template, verbalizer: Verbalizer? = nil,
        metric: Metric? = nil, maxInputTokens: Int = 512, maxNewTokens: Int = 32,
        decoding: DecodingOptions = DecodingOptions(), targetPrefix: String = "",
        normalize: LabelNormalization = .labels
    ) throws(TaskError) {
        self.name = name
        self.description = description
        self.template = template
        self.verbalizer = verbalizer
        self.metric = metric ?? (verbalizer == nil ? .exactMatch : .accuracy)
        self.maxInputTokens = maxInputTokens
        self.maxNewTokens = maxNewTokens
        self.decoding = decoding
        self.targetPrefix = targetPrefix
        self.normalize = normalize
        try validate()
    }

    /// The same task under another name.
    public func named(_ name: String) throws(TaskError) -> TaskDefinition {
        try TaskDefinition(
            name: name, description: description, template: template, verbalizer: verbalizer, metric: metric,
            maxInputTokens: maxInputTokens, maxNewTokens: maxNewTokens, decoding: decoding,
            targetPrefix: targetPrefix, normalize: normalize)
    }

    /// Whether both say the same, byte for byte.
    public static func == (left: TaskDefinition, right: TaskDefinition) -> Bool { left.json == right.json }

    private func validate() throws(TaskError) {
        func check(_ passes: Bool, _ message: @autoclosure () -> String) throws(TaskError) {
            guard passes else { throw TaskError(message()) }
        }
        func check(_ value: Int, _ limits: ClosedRange<Int>, _ key: String) throws(TaskError) {
            try check(
                limits.contains(value),
                "\"\(key)\": the number \(value) was found, an integer from \(limits.lowerBound) to "
                    + "\(limits.upperBound) was expected")
        }
        try check(
            TaskName.isValid(name),
            "\"name\": \(name.quoted) was found; 1 to 128 lower-case letters, digits, \".\", \"_\" and "
                + "\"-\" were expected, a letter or digit first")
        try check(
            verbalizer.map { $0.labels.count >= 2 } ?? true,
            "\"labels\": one label was found, at least two were expected; leave the key out for free text")
        try metric.validate(for: verbalizer)
        try check(maxInputTokens, Self.inputTokenLimits, "max_input_tokens")
        try check(maxNewTokens, Self.newTokenLimits, "max_new_tokens")
        if let problem = decoding.problem(at: "decoding.") { throw TaskError(problem) }
        try check(
            decoding.minimumNewTokens <= maxNewTokens,
            "\"decoding.min_new_tokens\": \(decoding.minimumNewTokens) was found, at most \"max_new_tokens\" "
                + "(\(maxNewTokens)) was expected")
    }
}
