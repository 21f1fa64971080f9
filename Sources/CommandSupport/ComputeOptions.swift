import ArgumentParser
import Foundation
import Logging
import T5
import Tensors

extension T5Core.Precision: ExpressibleByArgument {}
extension Logger.Level: @retroactive ExpressibleByArgument {}

extension ArgumentHelp {
    /// Of `--core`.
    package static let core = ArgumentHelp(
        "The core: a Hugging Face T5 directory, or random:t5-small, random:t5-base, random:t5-large or "
            + "random:t5-v1_1-base for random weights of that shape.", valueName: "dir")
    /// Of `--threads`.
    package static let threads = ArgumentHelp(
        "Threads that compute (default: one for each CPU core that this process may use).", valueName: "n")
}

/// How many threads a command computes with.
package struct ThreadOptions: ParsableArguments {
    package init() {}

    @Option(help: .threads)
    package var threads: Int?

    package func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads is \(threads); 1 to 1024 was expected")
        }
        Self.warn(ofTooMany: threads)
    }

    /// Warns of more threads than there is time of CPU cores for.
    package static func warn(ofTooMany threads: Int?) {
        guard let threads, threads > CPUShare.current.count else { return }
        StandardError.print(
            "warning: \(threads) threads on \(CPUShare.current.description): more threads than CPU cores are not "
                + "faster")
    }

    /// The number asked for, else that of the processors.
    package var count: Int { threads ?? WorkerPool.availableProcessors }
}

/// How a command computes.
package struct EngineOptions: ParsableArguments {
    package init() {}

    @Option(
        help: ArgumentHelp(
            "How to compute: float32, bfloat16 or int8 (default: bfloat16 where the CPU has it, else float32).",
            valueName: "type"))
    package var precision: T5Core.Precision?

    @OptionGroup package var threads: ThreadOptions
}

/// What every command takes that computes with a core.
package struct ComputeOptions: ParsableArguments {
    package init() {}

    @Option(help: .core)
    package var core: String

    @OptionGroup private var engine: EngineOptions

    @Option(help: "What to report on standard error: trace, debug, info, notice, warning, error.")
    package var logLevel: Logger.Level = .notice

    /// The precision asked for; `nil` for the one that suits the CPU.
    package var precision: T5Core.Precision? { engine.precision }

    package func makePool() -> WorkerPool { WorkerPool(threadCount: engine.threads.count) }

    /// Loads the core and logs what there is to say about it.
    package func loadCore(_ pool: WorkerPool) throws(T5Error) -> T5Core {
        let core = try T5Core(core, precision: precision, pool: pool)
        let logger = makeLogger()
        for warning in core.warnings { logger.warning("\(warning)") }
        return core
    }

    package func makeLogger() -> Logger {
        var logger = Logger(label: "polyprompt") {
            StreamLogHandler(label: $0, stream: StandardError.Stream())
        }
        logger.logLevel = logLevel
        return logger
    }
}
