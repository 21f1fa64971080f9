import ArgumentParser
import Basics
import CommandSupport
import Foundation
import JSON
import T5
import Training

/// `polyprompt-train fit`: trains prompts.
struct FitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fit",
        abstract: "Train a prompt for a task, or many together.",
        discussion: """
            Rows are JSON Lines with the template's fields and "label", or .csv or .tsv with a header. Every setting \
            may stand in a file (--config train.json) under its option's name with _ for -; options win. A setting \
            with several values separated by commas, or an array in the file, stands for one job each, and all jobs \
            are trained in the same batches:

              polyprompt-train fit --core DIR --task task.json --train train.jsonl --dev dev.jsonl --out run \\
                --learning-rate 0.03,0.3 --seeds 5

            --out becomes a task folder (several jobs: a folder each, and summary.json) with train.json, log.jsonl, \
            curves.svg and result.json, which also goes to standard output, a line a job. Ctrl-C, SIGTERM and SIGHUP \
            save a checkpoint in --out, and one is saved with the first step and every 30 seconds.

            With --resume one command can be started again and again: it begins, goes on from the checkpoint bit for \
            bit, or says that the run is finished and changes nothing. For a run that has begun --out and --resume \
            are enough. Without it an --out that has a run is refused, unless --overwrite replaces that.

            What could keep the result from being written or published (names, store, disk, every row of every file, \
            metric and labels) is looked at before the first step.

            Exit status: 0 when everything was trained and published, 130 when it was interrupted, 1 when it failed.
            """)

    @OptionGroup var compute: RunOptions

    @Option(help: ArgumentHelp("A file of settings.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The folder that is written.", valueName: "dir"))
    var out: String

    @Flag(help: "Go on from the checkpoint in --out; begin where there is none.")
    var resume = false

    @Flag(help: "Replace the run in --out.")
    var overwrite = false

    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Data") var labels: LabelMapOptions
    @OptionGroup(title: "Method") var method: MethodOptions
    @OptionGroup(title: "Optimization") var optimization: OptimizationOptions
    @OptionGroup(title: "Publishing") var publishing: PublishingOptions

    func validate() throws {
        guard !(resume && overwrite) else {
            throw ValidationError("--resume goes on with a run and --overwrite replaces it; give one of them")
        }
    }

    func run() throws {
        let folder = RunFolder(path: out)
        let description = try describe(folder)
        ThreadOptions.warn(ofTooMany: description.threads)
        if resume, folder.state == .finished {
            for result in try folder.results(of: description) {
                try StandardOutput.print(JSONValue.object(result).line)
            }
            StandardError.print("the run in \(out) is finished; nothing was changed")
            return
        }
        var progress = ProgressLine()
        let run = try TrainingRun(description, folder: out, resume: resume, overwrite: overwrite) { notice in
            StandardError.print("warning: \(notice)")
        }
        Interruption.watch()
        let results: [JobResult]
        do {
            results = try run.run(
                isInterrupted: { Interruption.isRequested }, progress: { progress.show($0.text) })
            progress.clear()
        } catch {
            progress.clear()
            guard error.isInterruption else { throw error }
            StandardError.print(error.message)
            throw ExitCode(130)
        }
        for result in results { try StandardOutput.print(JSONValue.object(result.json).line) }
        StandardError.print(summary(results))
        guard run.failures.isEmpty else { throw CommandError(run.failures.joined(separator: "\n")) }
    }

    /// The file's settings with the options put over them.
    private func describe(_ folder: RunFolder) throws -> RunDescription {
        var settings = JSONObject()
        var place = "the options"
        if let file = config {
            let bytes = try readFile(file, limit: FileLimit.settings)
            settings = try ObjectReader(parsing: bytes, at: file) { CommandError($0) }.object
            place = file
        } else if resume, compute.core == nil {
            // A run is resumed with the settings that it wrote down.
            settings = try folder.settings()
            place = out + "/train.json"
        }
        let groups: [any SettingOptions] = [compute, data, labels, method, optimization, publishing]
        let options = groups.flatMap { Array($0.settings) }
        // One that is given replaces the file's other way of saying the same.
        for (key, other) in [("steps", "epochs"), ("epochs", "steps"), ("seed", "seeds"), ("seeds", "seed")]
        where options.contains(where: { $0.key == key }) { settings[other] = nil }
        for (key, value) in options { settings[key] = value }
        return try RunDescription(json: settings, at: place)
    }

    private func summary(_ results: [JobResult]) -> String {
        results.prefix(40).map { result in
            let scores = [("dev", result.dev as Scores?), ("test", result.test)].compactMap { name, scores in
                scores.map { "\(name) \($0.primary.formatted(digits: 4))" }
            }
            let name = [result.task, result.folder].filter { !$0.isEmpty }.joined(separator: " ")
            let published = result.published.map { ", published as \($0)" } ?? ""
            return
                "\(name): \(scores.joined(separator: ", ")) at step \(result.bestStep) of \(result.steps)\(published)"
        }.joined(separator: "\n")
    }
}

extension TrainingRun.Progress {
    /// A line for people.
    fileprivate var text: String {
        func minutes(_ seconds: Double) -> String {
            let seconds = Int(seconds.rounded())
            return "\(seconds / 60):\(seconds % 60 < 10 ? "0" : "")\(seconds % 60)"
        }
        var parts = ["step \(steps.done)/\(steps.all)"]
        if jobs.all > 1 { parts.append("\(jobs.training) of \(jobs.all) jobs") }
        if let loss { parts.append("loss \(loss.formatted(digits: 3))") }
        if let dev { parts.append("best dev \(dev.formatted(digits: 4))") }
        parts.append("\(Int(tokensPerSecond.rounded())) tokens/s")
        parts.append("\(minutes(secondsLeft)) left")
        return parts.joined(separator: ", ")
    }
}
