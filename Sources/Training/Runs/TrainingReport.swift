import JSON

/// What a job reports each time it has looked at its dev rows: a line of `log.jsonl`.
public struct TrainingReport: Sendable, Equatable {
    /// Updates so far.
    public let step: Int
    /// The mean loss of the rows since the last report; `nil` before the first update.
    public let loss: Double?
    /// The dev rows' score by the task's metric.
    public let dev: Double
    /// Seconds since the run began, those before an interruption included.
    public let seconds: Double

    /// The line's object.
    var json: JSONObject {
        JSONObject([
            ("step", JSONValue(step)), ("loss", loss.map { JSONValue($0) } ?? .null), ("dev", JSONValue(dev)),
            ("seconds", JSONValue((seconds * 1000).rounded() / 1000)),
        ])
    }

    init(step: Int, loss: Double?, dev: Double, seconds: Double) {
        self.step = step
        self.loss = loss
        self.dev = dev
        self.seconds = seconds
    }

    init?(json: JSONObject) {
        guard let step = json["step"]?.int, let dev = json["dev"]?.double,
            let seconds = json["seconds"]?.double
        else { return nil }
        self.init(step: step, loss: json["loss"]?.double, dev: dev, seconds: seconds)
    }
}
