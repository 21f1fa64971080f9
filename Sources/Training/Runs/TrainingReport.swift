import JSON

/// What a job reports after each evaluation on its dev set: a line of `log.jsonl`.
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

    init(_ reader: ObjectReader<TrainingError>) throws(TrainingError) {
        step = try reader.require("step").integer()
        let loss = try reader.require("loss")
        self.loss = loss.value.isNull ? nil : try loss.number()
        dev = try reader.require("dev").number()
        seconds = try reader.require("seconds").number()
    }
}
