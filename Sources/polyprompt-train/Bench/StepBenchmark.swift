import Benchmarks
import CommandSupport
import JSON
import T5
import Tensors
import Training

/// Times steps of prompt tuning: one prompt's, and those of many prompts together and one after the other.
struct StepBenchmark {
    /// The sequences of the one prompt's step.
    private static let batch = 16
    /// How many prompts are trained together, and the sequences of each.
    private static let tasks = 8
    private static let taskBatch = 4

    /// A core directory, or `random:SHAPE`.
    let core: String
    let precision: T5Core.Precision
    let threads: Int
    /// Measured steps.
    let rounds: Int
    /// A file with the batch of the one prompt's step.
    let batchFile: String?

    /// Measures.
    ///
    /// - Parameter progress: Told what is being done.
    func measure(progress: (String) -> Void) throws -> BenchmarkReport {
        progress("loading the core")
        let pool = WorkerPool(threadCount: threads)
        let start = ContinuousClock.now
        let frozen = try FrozenCore(core: T5Core(core, precision: precision, pool: pool), pool: pool)
        let loadSeconds = (ContinuousClock.now - start) / .seconds(1)
        let configuration = frozen.configuration
        let batch =
            try batchFile.map { try StepBatch(path: $0, width: configuration.modelWidth) }
            ?? StepBatch.generated(1, of: Self.batch, configuration)[0]

        let loadPeak = ResidentMemory.peak
        let isReset = ResidentMemory.resetPeak()
        let prompt = TunedPrompt(batch, frozen, pool)
        var losses = [try prompt.step()]
        var times: [Double] = []
        for round in 1...rounds {
            progress("step \(round)")
            times.append(try seconds { losses.append(try prompt.step()) })
        }
        // Before more is trained at once, which takes more memory.
        let stepPeak = ResidentMemory.peak

        var json = try BenchmarkReport.header(
            "train-step", core: core, precision: precision, threads: threads,
            fingerprint: frozen.core.fingerprint)
        let time = median(times)
        let rate = Double(batch.tokens(width: configuration.modelWidth)) / time
        let peak = max(loadPeak ?? 0, stepPeak ?? 0)
        json["core_load_seconds"] = JSONValue(loadSeconds)
        json["rounds"] = JSONValue(rounds)
        json["seconds"] = JSONValue(time)
        json["round_seconds"] = .array(times.map { JSONValue($0) })
        json["sequences"] = JSONValue(batch.sequences.count)
        json["tokens"] = JSONValue(batch.tokens(width: configuration.modelWidth))
        json["tokens_per_second"] = JSONValue(rate)
        json["losses"] = .array(losses.map { JSONValue($0) })
        json["memory"] = [
            "peak_bytes": JSONValue(peak),
            "step_peak_bytes": isReset ? stepPeak.map { JSONValue($0) } ?? .null : .null,
        ]

        var table = BenchmarkReport.Table(columns: ["train-step", "\(batch.sequences.count) sequences"])
        table.rows = [
            ["a step", time.duration], ["tokens/s", rate.fixed(0)],
            ["resident at most", (Double(peak) / 1e9).fixed(2) + " GB"],
        ]
        if isReset, let stepPeak {
            table.rows.append(["resident at most, steps", (Double(stepPeak) / 1e9).fixed(2) + " GB"])
        }
        guard batchFile == nil else {
            json["together"] = .null
            return BenchmarkReport(json: json, table: table)
        }
        let (together, apart) = try measureTogether(frozen, pool, progress: progress)
        json["together"] = [
            "tasks": JSONValue(Self.tasks), "batch": JSONValue(Self.taskBatch),
            "seconds": JSONValue(together), "apart_seconds": JSONValue(apart),
            "ratio": JSONValue(apart / together),
        ]
        table.rows += [
            ["\(Self.tasks) tasks, \(Self.taskBatch) sequences each, together", together.duration],
            ["one after the other", apart.duration], ["ratio", (apart / together).fixed(2)],
        ]
        return BenchmarkReport(json: json, table: table)
    }

    /// The median seconds of a step of many prompts in one ragged batch, and one after the other, in turns.
    private func measureTogether(
        _ frozen: FrozenCore, _ pool: WorkerPool, progress: (String) -> Void
    ) throws -> (together: Double, apart: Double) {
        let batches = try StepBatch.generated(Self.tasks, of: Self.taskBatch, frozen.configuration)
        let joined = batches.map { TunedPrompt($0, frozen, pool) }
        let separate = batches.map { TunedPrompt($0, frozen, pool) }
        var together: [Double] = []
        var apart: [Double] = []
        for round in 0...rounds {
            progress("\(Self.tasks) tasks, round \(round)")
            let first = try seconds { try TunedPrompt.step(joined, frozen) }
            let second = try seconds { for prompt in separate { try prompt.step() } }
            // The first is to warm up.
            guard round > 0 else { continue }
            together.append(first)
            apart.append(second)
        }
        return (median(together), median(apart))
    }
}
