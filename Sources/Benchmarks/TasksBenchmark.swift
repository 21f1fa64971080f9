import JSON
import Serving

/// What mixing tasks costs: the same texts, once for each number of tasks, in turns within one run.
///
/// A stream goes through its tasks in turn and goes on where its last round ended. With many tasks every request
/// is thus for another task, and with 10,000 nearly all are seen for the first time: their prompts are read from
/// the store and decoded, their definitions parsed.
struct TasksBenchmark {
    private let settings: BenchmarkSettings

    init(_ settings: BenchmarkSettings) { self.settings = settings }

    func measure() throws -> BenchmarkReport {
        let loaded = try LoadedCore(settings)
        let configuration = loaded.core.configuration
        let (width, vocabulary) = (configuration.modelWidth, configuration.vocabularySize)
        let end = configuration.endOfSequenceID
        let counts = settings.taskCounts
        try loaded.tasks.publish(
            0..<(counts.max() ?? 1), core: loaded.core, pool: loaded.pool, progress: settings.progress
        ) { index in
            try RequestSet.task(
                index, width: width, vocabularySize: vocabulary, endOfSequence: end, hasLabels: true)
        }
        let engine = loaded.makeEngine()
        let texts = RequestSet.texts(
            settings.streamLength, lengths: RequestSet.Shape.classify.text, vocabularySize: vocabulary)
        var asked = counts.map { _ in 0 }
        func round(_ stream: Int) throws -> Double {
            let requests = texts.enumerated().map { index, ids in
                InferenceRequest(task: "task\((asked[stream] + index) % counts[stream])", input: .ids(ids))
            }
            asked[stream] += requests.count
            return try seconds { () throws(BenchmarkError) in _ = try engine.answerAll(requests) }
        }

        settings.progress("warming up")
        for stream in counts.indices { _ = try round(stream) }
        let before = engine.totals.rows
        var times = counts.map { _ in [Double]() }
        try settings.extent.repeating { number in
            settings.progress("round \(number + 1)")
            // Whoever goes first differs from round to round.
            for place in counts.indices {
                let stream = (place + number) % counts.count
                times[stream].append(try round(stream))
            }
        }
        let rounds = times[0].count
        let time = median((0..<rounds).map { number in times.reduce(0) { $0 + $1[number] } })
        let requests = settings.streamLength * counts.count

        var json = try BenchmarkReport.header(.tasks, settings, core: loaded.core)
        json["core_load_seconds"] = JSONValue(loaded.loadSeconds)
        json["requests"] = JSONValue(requests)
        json["rounds"] = JSONValue(rounds)
        json["seconds"] = JSONValue(time)
        json["requests_per_second"] = JSONValue(Double(requests) / time)
        json["rows_per_second"] = JSONValue(
            Double(engine.totals.rows - before) / Double(rounds) / time)
        var table = BenchmarkReport.Table(columns: ["tasks", "requests/s", "of one task's"])
        json["streams"] = .array(
            zip(counts, times).map { count, seconds in
                let rate = Double(settings.streamLength) / median(seconds)
                let ratio = median(zip(times[0], seconds).map { $0 / $1 })
                table.rows.append(["\(count)", rate.fixed(1), ratio.fixed(3)])
                return [
                    "tasks": JSONValue(count), "requests": JSONValue(settings.streamLength),
                    "requests_per_second": JSONValue(rate), "ratio": JSONValue(ratio),
                    "round_seconds": .array(seconds.map { JSONValue($0) }),
                ]
            })
        return BenchmarkReport(json: json, table: table)
    }
}
