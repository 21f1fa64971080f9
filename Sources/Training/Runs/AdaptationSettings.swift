import JSON

/// How a core is adapted to continue text.
public struct AdaptationSettings: Sendable, Hashable {
    /// The core's directory.
    public var core: String
    /// Files of raw text.
    public var texts: [String]
    /// Updates, 1 to 10,000,000.
    public var steps = 1000
    /// Windows of a mini-batch, 1 to 65,536.
    public var batch = 16
    /// Ids of a window, 2 to 131,072; it is cut in two at a random place.
    public var length = 256
    /// The learning rate, which falls to 0 in a straight line.
    public var learningRate = 0.0003
    /// Steps over which it rises from 0.
    public var warmUp = 0
    /// The gradients' norm is scaled down to this; 0 for never.
    public var clip = 1.0
    /// The core's dropout.
    public var dropout = 0.0
    /// Decides every draw.
    public var seed: UInt64 = 0
    /// Threads; `nil` for one a processor.
    public var threads: Int?

    /// The defaults for a core and its texts.
    public init(core: String, texts: [String]) {
        self.core = core
        self.texts = texts
    }

    func validate() throws(TrainingError) {
        func check(_ passes: Bool, _ what: String) throws(TrainingError) {
            guard passes else { throw TrainingError(what) }
        }
        try check(!texts.isEmpty, "no text is given (--text FILE)")
        try check((1...10_000_000).contains(steps), "steps is \(steps); 1 to 10000000 was expected")
        try check((1...65_536).contains(batch), "batch is \(batch); 1 to 65536 was expected")
        try check((2...131_072).contains(length), "length is \(length); 2 to 131072 was expected")
        try check(warmUp >= 0, "warmup is \(warmUp); 0 or more was expected")
        try check(learningRate >= 0 && learningRate.isFinite, "learning_rate is \(learningRate)")
        try check(clip >= 0 && clip.isFinite, "clip is \(clip); 0 or more was expected")
        try check(
            !core.hasPrefix("random:"),
            "the core is \(core); a directory was expected, whose files go with the new core")
    }

    /// What a checkpoint must have been made with.
    var json: JSONObject {
        JSONObject([
            ("steps", JSONValue(steps)), ("batch", JSONValue(batch)), ("length", JSONValue(length)),
            ("learning_rate", JSONValue(learningRate)), ("warmup", JSONValue(warmUp)),
            ("clip", JSONValue(clip)),
            ("dropout", JSONValue(dropout)), ("seed", JSONValue(seed)),
        ])
    }

    /// The first setting that differs, in a sentence; `nil` when all are the same.
    func difference(from other: JSONObject?) -> String? {
        let own = json
        guard let key = own.keys.first(where: { other?[$0] != own[$0] }) else { return nil }
        return "its \(key) was \((other?[key] ?? .null).line), not \((own[key] ?? .null).line)"
    }
}
