import ArgumentParser
import Benchmarks
import CommandSupport
import Foundation
import JSON
import T5
import Tensors

extension Workload: ExpressibleByArgument {}

/// `polyprompt bench`: how fast this machine serves.
struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure how fast this machine serves a core.",
        discussion: """
            Workloads, each with prompts of 20 rows and the same requests whatever the precision:

              mixed      64 requests of 16–192 ids for 8 tasks, 4 new ids each
              classify   128 requests of 8–48 ids for 8 tasks, the probabilities of 4–10 labels
              generate   32 requests of 16–192 ids for 8 tasks, 32 new ids each
              tasks      one stream of requests for 1, 8, 64, 1,000 and 10,000 tasks: what mixing costs
              kernels    products and attention by shape, beside the machine's peak and its memory
              startup    from the start of a process to its first answer

            The first three answer all requests at once, round after round; mixed and classify then answer \
            them one at a time, for the latencies. A table for people goes to standard output.

            The JSON object has "workload", "core", "precision", "threads", "machine" {"cpu", "isa", \
            "processors"}, "rounds" and "seconds", the median of a round. Besides:

              mixed, classify, generate, tasks, startup: "core_load_seconds", "requests" (of a round)
              mixed, classify, generate: "round_seconds", "batches", "requests_per_second", \
            "rows_per_second", "output_tokens" and "tokens_per_second" (new ids of a round and a second, null \
            for labels), "latency" {"count", "mean", "p50", "p90", "p99", "p99.9", "max"} (exact quantiles, or \
            null), and with --requests "answers": ids, or the labels' probabilities, in order
              tasks: "requests_per_second", "rows_per_second" and "streams" [{"tasks", "requests", \
            "requests_per_second", "ratio" (to the first), "round_seconds"}]
              kernels: "bandwidth" [{"threads", "gigabytes_per_second"}] and "kernels" [{"kernel", "type", "k", \
            "n", "rows", "threads", "gigaops_per_second", "peak_gigaops_per_second", "share_of_peak", \
            "share_of_bound" (the lower of peak and memory), "gigabytes_per_second" (weights read)}]
              startup: "round_seconds" and "latency" (of the starts)

            POLYPROMPT_ISA (scalar, avx2, avx512, amx) caps the instruction set.
            """)

    @Argument(help: ArgumentHelp("What to measure.", valueName: "workload"))
    var workload: Workload

    @Option(help: .core)
    var core = "random:t5-base"

    @OptionGroup var engine: EngineOptions

    @Option(
        help: ArgumentHelp(
            "Answer the requests of this file, which other engines answer too, instead of the workload's own, "
                + "and report the answers (one round unless said otherwise).", valueName: "file"))
    var requests: String?

    @Option(help: ArgumentHelp("Measure each part for this long (default: 10).", valueName: "seconds"))
    var seconds: Double?

    @Option(help: ArgumentHelp("Measure this many rounds instead.", valueName: "n"))
    var rounds: Int?

    @OptionGroup var report: ReportOptions

    func validate() throws {
        if let seconds, !(0...86_400).contains(seconds) {
            throw ValidationError("--seconds is \(seconds); 0 to 86400 was expected")
        }
        if let rounds, !(1...1_000_000).contains(rounds) {
            throw ValidationError("--rounds is \(rounds); 1 to 1000000 was expected")
        }
        if seconds != nil, rounds != nil { throw ValidationError("give --seconds or --rounds, not both") }
        if workload == .kernels, engine.precision != nil {
            throw ValidationError("--precision has no effect: kernels measures every type")
        }
        if requests != nil, !Workload.withRequests.contains(workload) {
            throw ValidationError("--requests goes with mixed, classify and generate only")
        }
    }

    func run() throws {
        let report = try report.open()
        var progress = ProgressLine()
        let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let settings = BenchmarkSettings(
            core: core, precision: try engine.precision ?? .preferred(by: Processor.current()),
            threads: engine.threads.count,
            extent: extent, requestFile: requests, executable: executable
        ) { progress.show($0) }
        let measured = try settings.measure(workload)
        progress.clear()
        try report.give(measured.table.text, json: measured.json)
    }

    private var extent: Extent {
        if let rounds { return .rounds(rounds) }
        if let seconds { return .seconds(seconds) }
        return requests == nil ? .seconds(10) : .rounds(1)
    }
}
