import JSON
import Serving

/// Rates of answering a set of requests at once, and latencies of answering them one at a time.
struct ServingBenchmark {
    private let workload: Workload
    private let settings: BenchmarkSettings

    init(_ workload: Workload, _ settings: BenchmarkSettings) {
        self.workload = workload
        self.settings = settings
    }

    func measure() throws -> BenchmarkReport {
        let loaded = try LoadedCore(settings)
        let set = try requestSet(loaded)
        try loaded.tasks.publish(set, core: loaded.core, pool: loaded.pool)
        let engine = loaded.makeEngine()
        let requests = set.requests.map { InferenceRequest(task: $0.task, input: .ids($0.ids)) }

        settings.progress("warming up")
        let answers = try engine.answerAll(requests)
        let before = engine.totals
        var rounds: [Double] = []
        try settings.extent.repeating { round in
            settings.progress("round \(round + 1)")
            rounds.append(try seconds { () throws(BenchmarkError) in _ = try engine.answerAll(requests) })
        }
        let resident = ResidentMemory.bytes
        let rows = (engine.totals.rows - before.rows) / rounds.count
        let batches = (engine.totals.batches - before.batches) / rounds.count
        let latency =
            try workload.reportsLatency && settings.requestFile == nil
            ? latencies(engine, requests) : nil

        let time = median(rounds)
        let rate = Double(requests.count) / time
        var json = try BenchmarkReport.header(workload, settings, core: loaded.core)
        json["core_load_seconds"] = JSONValue(loaded.loadSeconds)
        json["requests"] = JSONValue(requests.count)
        json["rounds"] = JSONValue(rounds.count)
        json["seconds"] = JSONValue(time)
        json["round_seconds"] = .array(rounds.map { JSONValue($0) })
        json["batches"] = JSONValue(batches)
        json["requests_per_second"] = JSONValue(rate)
        json["rows_per_second"] = JSONValue(Double(rows) / time)
        let tokens = set.newTokens == nil ? nil : answers.reduce(0) { $0 + $1.usage.outputTokens }
        json["output_tokens"] = tokens.map { JSONValue($0) } ?? .null
        json["tokens_per_second"] = tokens.map { JSONValue(Double($0) / time) } ?? .null
        json["memory"] = [
            "packed_bytes": loaded.core.packedByteCount.map { JSONValue($0) } ?? .null,
            "resident_bytes": resident.map { JSONValue($0) } ?? .null,
            "peak_bytes": ResidentMemory.peak.map { JSONValue($0) } ?? .null,
        ]
        json["latency"] = latency?.json ?? .null
        if settings.requestFile != nil { json["answers"] = .array(answers.map(Self.json)) }

        var table = BenchmarkReport.Table(columns: [workload.rawValue, "\(requests.count) requests"])
        table.rows = [
            ["requests/s", rate.fixed(1)], ["rows/s", (Double(rows) / time).fixed(0)],
            ["a round", time.duration], ["batches", "\(batches)"],
        ]
        if let packed = loaded.core.packedByteCount, let resident {
            table.rows += [["packed weights", packed.megabytes], ["resident memory", resident.megabytes]]
        }
        if let tokens {
            table.rows += [
                ["new tokens/s", (Double(tokens) / time).fixed(1)],
                ["new tokens a request", (Double(tokens) / Double(requests.count)).fixed(2)],
            ]
        }
        if let latency {
            for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1)]
            {
                table.rows.append(["latency alone, \(name)", latency[quantile].duration])
            }
        }
        return BenchmarkReport(json: json, table: table)
    }

    private func requestSet(_ loaded: LoadedCore) throws -> RequestSet {
        let configuration = loaded.core.configuration
        if let file = settings.requestFile {
            return try RequestFile(path: file).requests(
                for: workload, width: configuration.modelWidth, endOfSequence: configuration.endOfSequenceID)
        }
        guard
            let set = try RequestSet.generated(
                workload, width: configuration.modelWidth, vocabularySize: configuration.vocabularySize,
                endOfSequence: configuration.endOfSequenceID)
        else { throw BenchmarkError("\(workload.rawValue) has no requests") }
        return set
    }

    /// Times of requests that have the engine for themselves, in the set's order.
    private func latencies(_ engine: InferenceEngine, _ requests: [InferenceRequest]) throws -> Quantiles {
        var samples: [Double] = []
        try settings.extent.repeating(steps: requests.count) { step in
            settings.progress("one at a time, request \(step + 1)")
            let request = requests[step % requests.count]
            samples.append(
                try seconds { () throws(BenchmarkError) in _ = try engine.answerAll([request]) })
        }
        return Quantiles(samples)
    }

    /// An answer as other engines write it: ids, or the labels' probabilities in their order.
    private static func json(_ answer: InferenceResponse.Answer) -> JSONValue {
        if let scores = answer.scores { return .array(scores.map { JSONValue($0.probability) }) }
        return JSONValue(answer.outputIDs.map(Int.init))
    }
}
