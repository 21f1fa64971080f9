import JSON
import PromptStore
import Tasks

/// What came of a job: `result.json`.
public struct JobResult: Sendable {
    /// The task's name.
    public let task: String
    /// The job's folder below the run's; empty for a run of one job.
    public let folder: String
    /// What tells it from the run's other jobs of the same task, the seed aside.
    public let variant: String
    /// Its settings.
    public let settings: JobSettings
    /// Updates made.
    public let steps: Int
    /// The updates that the best prompt had.
    public let bestStep: Int
    /// Seconds from the run's begin to the last report.
    public let seconds: Double
    /// How the prompt is stored; `nil` for full tuning.
    public let elementType: PromptElementType?
    /// The dev rows' scores, as served.
    public let dev: Scores
    /// The test rows' scores, as served; `nil` without test rows.
    public let test: Scores?
    /// The version that was published.
    public internal(set) var published: TaskVersion?

    /// The rows of the prompt; 0 for full tuning.
    public var rows: Int { settings.method.method == .full ? 0 : settings.method.rows }

    /// The object of `result.json`.
    public var json: JSONObject {
        JSONObject([
            ("task", .string(task)), ("method", .string(settings.method.method.rawValue)),
            ("rows", JSONValue(rows)), ("seed", JSONValue(settings.seed)), ("steps", JSONValue(steps)),
            ("seconds", JSONValue((seconds * 1000).rounded() / 1000)), ("dev", .object(dev.json)),
            ("test", test.map { .object($0.json) } ?? .null),
            ("published", JSONValue(published?.description)),
        ])
    }
}

extension Scores {
    /// The values by the metrics' names.
    public var json: JSONObject {
        JSONObject(values.map { ($0.metric.rawValue, JSONValue($0.value)) })
    }
}

/// What came of a run of several jobs: `summary.json`.
public struct RunSummary: Sendable {
    /// The jobs' results.
    public let results: [JobResult]

    /// The object: for each task and variant of settings the mean and deviation over its seeds.
    public var json: JSONObject {
        var groups: [[JobResult]] = []
        for result in results {
            if let index = groups.firstIndex(where: {
                $0[0].task == result.task && $0[0].variant == result.variant
            }) {
                groups[index].append(result)
            } else {
                groups.append([result])
            }
        }
        return JSONObject([("results", .array(groups.map { .object(Self.json($0)) }))])
    }

    private static func json(_ group: [JobResult]) -> JSONObject {
        JSONObject([
            ("task", .string(group[0].task)), ("variant", .string(group[0].variant)),
            ("method", .string(group[0].settings.method.method.rawValue)), ("rows", JSONValue(group[0].rows)),
            ("learning_rate", JSONValue(group[0].settings.learningRate)),
            ("seeds", .array(group.map { JSONValue($0.settings.seed) })),
            ("folders", .array(group.map { .string($0.folder) })),
            ("dev", .object(spread(group.map(\.dev)))),
            (
                "test",
                group.contains { $0.test == nil } ? .null : .object(spread(group.compactMap(\.test)))
            ),
            ("published", .array(group.compactMap { $0.published }.map { .string($0.description) })),
        ])
    }

    /// Each metric's mean and deviation.
    static func spread(_ scores: [Scores]) -> JSONObject {
        JSONObject(
            (scores.first?.values.map(\.metric) ?? []).map { metric in
                let values = scores.flatMap { $0.values.filter { $0.metric == metric }.map(\.value) }
                let spread = Spread(values)
                return (
                    metric.rawValue,
                    ["mean": JSONValue(spread.mean), "deviation": JSONValue(spread.deviation)]
                )
            })
    }
}
