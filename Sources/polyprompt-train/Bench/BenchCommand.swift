import ArgumentParser
import Benchmarks
import CommandSupport
import JSON
import T5
import Tensors

/// `polyprompt-train bench`: how fast this machine trains prompts, and in how much memory.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure how fast this machine trains prompts through a core.",
        discussion: """
            A step of prompt tuning: 16 sequences of 20 prompt rows and 16–192 ids, answers of 2–3 ids, the loss over \
            all pieces, gradients of the prompt and AdamW's update. Then 8 tasks with mini-batches of 4 such \
            sequences: together in one ragged batch, and one after the other. A table for people goes to standard \
            output.

            The JSON object has "workload" (train-step), "core", "precision", "threads", "machine" {"cpu", "isa", \
            "processors"}, "core_fingerprint", "core_load_seconds", "rounds", "seconds" (the median step), \
            "round_seconds", "sequences", "tokens" (of a step: prompt rows, ids and answers' ids), \
            "tokens_per_second", "losses" (the mean loss an id, step by step, the untimed first one included), \
            "memory" {"peak_bytes" (resident, of the process), "step_peak_bytes" (from the first step on; null where \
            Linux does not tell)} and "together" {"tasks", "batch", "seconds", "apart_seconds", "ratio"}.

            A random core's float32 weights stay in memory beside what is computed with; name a core directory to \
            measure memory. With --batches the step is that of a file, which other implementations train on too, and \
            "together" is null. The file is one JSON object: "prompt", the rows at the start, and "sequences", each \
            with "input_ids" and "target_ids".
            """)

    @Option(help: .core)
    var core = "random:t5-base"

    @Option(
        help: "How to compute: float32 or bfloat16 (default: bfloat16 where the CPU has it, else float32).")
    var precision: T5Core.Precision?

    @OptionGroup var threads: ThreadOptions

    @Option(help: ArgumentHelp("Measured steps, after one that is not.", valueName: "n"))
    var rounds = 5

    @Option(help: ArgumentHelp("Train on the batch of this file.", valueName: "file"))
    var batches: String?

    @OptionGroup var report: ReportOptions

    func validate() throws {
        if !(1...1_000_000).contains(rounds) {
            throw ValidationError("--rounds is \(rounds); 1 to 1000000 was expected")
        }
        if precision == .int8 {
            throw ValidationError(
                "--precision is int8, which has no gradients; float32 or bfloat16 was expected")
        }
    }

    func run() throws {
        let report = try report.open()
        var progress = ProgressLine()
        let benchmark = StepBenchmark(
            core: core, precision: try precision ?? .preferred(by: Processor.current()),
            threads: threads.count, rounds: rounds, batchFile: batches)
        let measured = try benchmark.measure { progress.show($0) }
        progress.clear()
        try report.give(measured.table.text, json: measured.json)
    }
}
