import ArgumentParser
import Foundation
import Logging
import T5
import Tensors

extension T5Core.Precision: ExpressibleByArgument {}
extension Logger.Level: @retroactive ExpressibleByArgument {}

/// What every command that computes takes.
package struct ComputeOptions: ParsableArguments {
    package init() {}

    @Option(
        help: ArgumentHelp(
            "The core: a Hugging Face T5 directory, or random:t5-small, random:t5-base, random:t5-large or "
                + "random:t5-v1_1-base for random weights of that shape.", valueName: "dir"))
    package var core: String

    @Option(
        help: ArgumentHelp(
            "How to compute: float32, bfloat16 or int8 (default: bfloat16 where the CPU has it, else float32).",
            valueName: "type"))
    package var precision: T5Core.Precision?

    @Option(help: ArgumentHelp("Threads that compute (default: one a processor).", valueName: "n"))
    package var threads: Int?

    @Option(help: "What to report on standard error: trace, debug, info, notice, warning, error.")
    package var logLevel: Logger.Level = .notice

    package func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is \(threads); 1 to 1024 was expected")
        }
    }

    package func makePool() -> WorkerPool {
        WorkerPool(threadCount: threads ?? WorkerPool.availableProcessors)
    }

    package func makeLogger() -> Logger {
        var logger = Logger(label: "polyprompt") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = logLevel
        return logger
    }
}
