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
            curves.svg and result.json, which also goes to standard output, a line a job. Ctrl-C saves a checkpoint \
            in --out; the same command with --resume goes on from there, bit for bit.

            Exit status: 0 when everything was trained, 130 when it was interrupted, 1 when it failed.
            """)

    @OptionGroup var compute: RunOptions

    @Option(help: ArgumentHelp("A file of settings.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The folder that is written.", valueName: "dir"))
    var out: String

    @Flag(help: "Go on from the checkpoint in --out.")
    var resume = false

    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Method") var method: MethodOptions
    @OptionGroup(title: "Optimization") var optimization: OptimizationOptions
    @OptionGroup(title: "Publishing") var publishing: PublishingOptions

    func run() throws {
        Interruption.watch()
        let description = try describe()
        var progress = ProgressLine()
        let run = try TrainingRun(description, folder: out, resume: resume) { notice in
            StandardError.print("warning: \(notice)")
        }
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
    }

    /// The file's settings with the options put over them.
    private func describe() throws -> RunDescription {
        var settings = JSONObject()
        var place = "the options"
        // A run is resumed with the settings that it wrote down.
        if let file = config ?? (resume && compute.core == nil ? out + "/train.json" : nil) {
            let bytes = try readFile(file, limit: FileLimit.settings)
            settings = try ObjectReader(parsing: bytes, at: file) { CommandError($0) }.object
            place = file
        }
        let groups: [any SettingOptions] = [compute, data, method, optimization, publishing]
        for (given, value) in groups.flatMap({ Array($0.settings) }) {
            // One that is given replaces the file's other way of saying the same.
            for (key, other) in [
                ("steps", "epochs"), ("epochs", "steps"), ("seed", "seeds"), ("seeds", "seed"),
            ]
            where key == given { settings[other] = nil }
            settings[given] = value
        }
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
