import ArgumentParser
import CommandSupport
import Foundation
import JSON
import Training

/// `polyprompt-train adapt`: trains a core to continue text.
struct AdaptCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapt",
        abstract: "Adapt a core to continue text, so that prompts steer it better.",
        discussion: """
            Trains all weights of a core on raw text with the prefix language-model objective: a window of text is cut \
            in two at random, the encoder reads the first part, the decoder is to give the second. Cores that were \
            only pretrained to fill gaps (T5, T5 v1.1, mT5) need this before prompts work well on them (Lester et \
            al. 2021).

            Writes a new core directory and prints {"steps", "seconds", "loss": {"before", "after"}}, the loss an id on \
            text held out. Ctrl-C, SIGTERM and SIGHUP save a checkpoint beside it, and one is saved with the first \
            step and every 30 seconds. With --resume one command can be started again and again: it begins, goes on \
            from the checkpoint bit for bit, or says that the directory is finished and changes nothing.
            """)

    @Option(help: ArgumentHelp("The core: a Hugging Face T5 directory with a tokenizer.", valueName: "dir"))
    var core: String

    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("Files of raw text.", valueName: "file"))
    var text: [String]

    @Option(help: ArgumentHelp("The core directory that is written; nothing may be there.", valueName: "dir"))
    var out: String

    @Option(help: ArgumentHelp("Updates.", valueName: "n"))
    var steps = 1000

    @Option(help: ArgumentHelp("Windows of a mini-batch.", valueName: "n"))
    var batch = 16

    @Option(help: ArgumentHelp("Ids of a window.", valueName: "n"))
    var length = 256

    @Option(help: ArgumentHelp("The learning rate, which falls to 0.", valueName: "x"))
    var learningRate = 0.0003

    @Option(help: ArgumentHelp("Steps over which it rises from 0.", valueName: "n"))
    var warmup = 0

    @Option(help: ArgumentHelp("Largest norm of the gradient; 0 for none.", valueName: "x"))
    var clip = 1.0

    @Option(help: ArgumentHelp("The core's dropout.", valueName: "x"))
    var dropout = 0.0

    @Option(help: ArgumentHelp("Decides every draw.", valueName: "n"))
    var seed: UInt64 = 0

    @OptionGroup var threads: ThreadOptions

    @Flag(help: "Go on from the checkpoint beside --out; begin where there is none.")
    var resume = false

    @Flag(help: "Begin anew where there is a checkpoint; a core directory is never replaced.")
    var overwrite = false

    func validate() throws {
        guard !(resume && overwrite) else {
            throw ValidationError(
                "--resume goes on from a checkpoint and --overwrite replaces it; give one of them")
        }
    }

    func run() throws {
        var settings = AdaptationSettings(core: core, texts: text)
        settings.steps = steps
        settings.batch = batch
        settings.length = length
        settings.learningRate = learningRate
        settings.warmUp = warmup
        settings.clip = clip
        settings.dropout = dropout
        settings.seed = seed
        settings.threads = threads.threads
        if resume, let outcome = try CoreAdaptation.outcome(of: settings, at: out) {
            try StandardOutput.print(JSONValue.object(outcome.json).line)
            StandardError.print("the adaptation in \(out) is finished; nothing was changed")
            return
        }
        var progress = ProgressLine()
        let adaptation = try CoreAdaptation(settings, to: out, resume: resume, overwrite: overwrite) {
            StandardError.print("warning: \($0)")
        }
        Interruption.watch()
        let outcome: CoreAdaptation.Outcome
        do {
            outcome = try adaptation.run(
                isInterrupted: { Interruption.isRequested },
                progress: { step, loss in
                    progress.show("step \(step)/\(steps), loss \(loss.formatted(digits: 3))")
                })
            progress.clear()
        } catch {
            progress.clear()
            guard error.isInterruption else { throw error }
            StandardError.print(error.message)
            throw ExitCode(130)
        }
        try StandardOutput.print(JSONValue.object(outcome.json).line)
    }
}
