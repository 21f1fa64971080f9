import Foundation
import JSON
import T5

/// Time from the start of `polyprompt run` to its first answer, core, store and task included. The core's files
/// are in the page cache, since the run before has just read them.
struct StartupBenchmark {
    private let settings: BenchmarkSettings

    init(_ settings: BenchmarkSettings) { self.settings = settings }

    func measure() throws -> BenchmarkReport {
        let (store, vocabulary, load) = try prepare()
        let ids = RequestSet.texts(1, lengths: 32...32, vocabularySize: vocabulary)[0]
        let request: JSONValue = ["task": "task0", "input_ids": JSONValue(ids.map(Int.init))]
        var times: [Double] = []
        _ = try start(store, request)
        try settings.extent.repeating { round in
            settings.progress("start \(round + 1)")
            times.append(try start(store, request))
        }
        var json = try BenchmarkReport.header(.startup, settings)
        json["core_load_seconds"] = JSONValue(load)
        json["requests"] = 1
        json["rounds"] = JSONValue(times.count)
        json["seconds"] = JSONValue(median(times))
        json["round_seconds"] = .array(times.map { JSONValue($0) })
        json["latency"] = Quantiles(times).json
        let table = BenchmarkReport.Table(
            columns: ["startup", "\(times.count) starts"],
            rows: [
                ["first answer, median", median(times).duration],
                ["first answer, fastest", (times.min() ?? 0).duration],
                ["first answer, slowest", (times.max() ?? 0).duration],
                ["loading the core before them", load.duration],
            ])
        return BenchmarkReport(json: json, table: table)
    }

    /// A store with one task. The core that it is made for is gone from memory afterwards.
    private func prepare() throws -> (store: TemporaryStore, vocabulary: Int, load: Double) {
        let loaded = try LoadedCore(settings)
        let configuration = loaded.core.configuration
        try loaded.tasks.publish(0..<1, core: loaded.core, pool: loaded.pool, newTokens: 1) { index in
            try RequestSet.task(
                index, width: configuration.modelWidth, vocabularySize: configuration.vocabularySize,
                endOfSequence: configuration.endOfSequenceID, hasLabels: false)
        }
        return (loaded.tasks, configuration.vocabularySize, loaded.loadSeconds)
    }

    /// Seconds from the start of a process to the end of the first line that it writes.
    private func start(_ store: TemporaryStore, _ request: JSONValue) throws -> Double {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: settings.executable)
        process.arguments = [
            "run", "--core", settings.core, "--store", store.store.path,
            "--precision", settings.precision.rawValue, "--threads", "\(settings.threads)",
        ]
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errors
        input.fileHandleForWriting.write(Data((request.line + "\n").utf8))
        let start = ContinuousClock.now
        do { try process.run() } catch {
            throw BenchmarkError("cannot start \(settings.executable): \(error)")
        }
        var answer = Data()
        while !answer.contains(0x0A) {
            let part = output.fileHandleForReading.availableData
            if part.isEmpty { break }
            answer += part
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        guard process.terminationStatus == 0, answer.contains(0x0A) else {
            let said = String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
            throw BenchmarkError(
                "polyprompt run ended with status \(process.terminationStatus): "
                    + (said + String(decoding: answer, as: UTF8.self)).prefix(2000))
        }
        return seconds
    }
}
