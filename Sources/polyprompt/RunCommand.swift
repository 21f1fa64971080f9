import ArgumentParser
import CommandSupport
import Foundation
import PromptStore
import Serving
import T5
import Tokenization

/// `polyprompt run`: answers a file of requests.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Answer a stream of requests for any mixture of tasks.",
        discussion: """
            Reads JSON Lines such as

              {"task": "spam", "input": "You have won a £2000 prize. Txt WIN to 80086"}

            and writes one response a line, in the same order. An "id" is given back; "task" may name a \
            version (spam@2) or be null for the bare core; "input_ids" may replace "input". A line that cannot \
            be answered gets {"id", "error"} and stops none of the others.

            Reading, computing and writing go on side by side. Ctrl-C, SIGTERM and SIGHUP end the run: what has been \
            answered is written to standard output; a file is not made.

            Exit status: 0 when every request was answered, 2 when some got an error, 1 when the run failed (without \
            a message when the reader of the answers has gone), 128 and the signal's number when it was interrupted.
            """)

    @OptionGroup var compute: ComputeOptions

    @Option(help: ArgumentHelp("The prompt store (see polyprompt prompts).", valueName: "path"))
    var store: String?

    @Option(help: ArgumentHelp("File of requests, or - for standard input.", valueName: "file"))
    var input = "-"

    @Option(
        help: ArgumentHelp(
            "File of responses, or - for standard output. A file appears when it is complete.",
            valueName: "file"))
    var output = "-"

    @Option(
        help: ArgumentHelp(
            "Most encoder rows of a forward pass, prompt rows counted. More is faster up to a point and takes "
                + "more memory.", valueName: "rows"))
    var batchRows = InferenceEngine.defaultBatchRows

    func validate() throws {
        guard (1...1_000_000).contains(batchRows) else {
            throw ValidationError("--batch-rows is \(batchRows); 1 to 1000000 was expected")
        }
    }

    func run() throws {
        let logger = compute.makeLogger()
        let pool = compute.makePool()
        var reader = try LineReader(path: input)
        let writer = try LineWriter(path: output)
        try writer.refuse(input: input)
        let core = try compute.loadCore(pool)
        let tokenizer = try CoreTokenizer.load(
            compute.core, vocabularySize: core.configuration.vocabularySize)
        if tokenizer == nil { logger.notice("the core has no tokenizer: requests must give input_ids") }
        let store = try self.store.map { try PromptStore(path: $0, mode: .readOnly) }
        let engine = InferenceEngine(
            core: core, tokenizer: tokenizer, store: store, pool: pool, batchRows: batchRows)
        logger.info(
            "core \(core.fingerprint.prefix(12)), \(core.precision.rawValue), \(pool.threadCount) threads")

        let stop = try StopRequest()
        Interruption.watch(stop)
        var progress = ProgressLine()
        let summary = try BatchInference(engine: engine).run(&reader, writer, stop: stop) { summary in
            progress.show(
                "\(summary.requests) requests, \(Int(summary.requestsPerSecond.rounded()))/s"
                    + (summary.failures > 0 ? ", \(summary.failures) with an error" : ""))
        }
        progress.clear()
        StandardError.print(summary.text)
        let signal = Interruption.signal.load(ordering: .sequentiallyConsistent)
        if signal != 0 { throw ExitCode(128 + signal) }
        if summary.failures > 0 { throw ExitCode(2) }
    }
}

extension BatchInference.Summary {
    /// What a run has done, in two lines for people.
    var text: String {
        let failures = failures > 0 ? " (\(failures) with an error)" : ""
        let tasks = tasks.count == 1 ? "1 task" : "\(tasks.count) tasks"
        return """
            \(requests) requests\(failures) for \(tasks) in \(seconds.formatted(digits: 2)) s
            \(requestsPerSecond.formatted(digits: 1)) requests/s, \(Int(rowsPerSecond.rounded())) rows/s, \
            mean batch \(meanBatch.formatted(digits: 1)) requests
            """
    }
}
