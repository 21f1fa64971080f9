import ArgumentParser
import Basics
import CommandSupport
import Foundation
import JSON
import PromptStore
import Serving
import T5
import Tasks
import Tensors
import Training

extension Combination: ExpressibleByArgument {}

/// `polyprompt-train evaluate`: scores tasks of a store.
struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Score tasks of a store on labelled rows, as they are served.",
        discussion: """
            Prints one JSON object {"task", "version", "count", "metrics", "confusion"}. Several tasks separated by \
            commas give a line each and {"tasks", "metrics": {metric: {"mean", "deviation"}}} at the end; with \
            --combine they also answer as one, and --publish names that ensemble in the store:

              polyprompt-train evaluate --core DIR --store PATH --task spam@1,spam@2 --data test.jsonl \\
                --combine mean --publish spam-both

            A row whose label the task lacks counts as wrong; --map gives labels of another domain the task's names.
            """)

    @OptionGroup var compute: ComputeOptions

    @Option(help: ArgumentHelp("The prompt store.", valueName: "path"))
    var store: String

    @Option(
        help: ArgumentHelp("The task: name or name@version; several separated by commas.", valueName: "task"))
    var task: String

    @Option(help: ArgumentHelp("Labelled rows: JSON Lines, .csv or .tsv with a header.", valueName: "file"))
    var data: String

    @OptionGroup var labels: LabelMapOptions

    @Option(help: "Also let the tasks answer as one: mean (of probabilities) or majority.")
    var combine: Combination?

    @Option(help: ArgumentHelp("Name the ensemble so in the store.", valueName: "name"))
    var publish: String?

    @Option(help: ArgumentHelp("Write every answer here, a line of JSON each.", valueName: "file"))
    var predictions: String?

    private var tasks: [String] { task.split(separator: ",").map(String.init) }

    func validate() throws {
        guard !tasks.isEmpty else { throw ValidationError("--task names no task") }
        guard combine == nil || tasks.count > 1 else {
            throw ValidationError("--combine takes several versions: --task a@1,b@3")
        }
        guard publish == nil || combine != nil else {
            throw ValidationError("--publish names an ensemble, which --combine makes")
        }
        if let publish, !TaskName.isValid(publish) {
            throw ValidationError(
                "--publish is \(publish.prefix(200)); 1 to 128 of a-z, 0-9, \".\", \"_\" and \"-\", beginning with a letter "
                    + "or digit, were expected")
        }
        guard predictions == nil || predictions != data else {
            throw ValidationError("--predictions would replace --data; name another file")
        }
    }

    func run() throws {
        let labelMap = try labels.map.map { try LabelMap(parsing: $0) } ?? LabelMap()
        // What could keep the results from being written or named is known before they are computed.
        let writer = try predictions.map { try LineWriter(path: $0) }
        if !FileManager.default.fileExists(atPath: self.store) {
            throw CommandError("there is no prompt store \(self.store)")
        }
        let store = try PromptStore(path: store, mode: publish == nil ? .readOnly : .readWrite)
        let members = try publish == nil ? [] : self.members(of: store)
        let pool = compute.makePool()
        let core = try compute.loadCore(pool)
        guard
            let tokenizer = try CoreTokenizer.load(
                compute.core, vocabularySize: core.configuration.vocabularySize)
        else { throw CommandError("the core \(compute.core) has no tokenizer, which labelled text needs") }
        let evaluation = TaskEvaluation(core: core, tokenizer: tokenizer, store: store, pool: pool)
        let results = try evaluation.evaluate(
            combine.map { .ensemble(tasks, $0) } ?? .tasks(tasks), data: data, labelMap: labelMap
        ) { StandardError.print("warning: \($0)") }
        for result in results { try StandardOutput.print(JSONValue.object(result.json).line) }
        let single = results.prefix(tasks.count)
        if single.count > 1 {
            try StandardOutput.print(JSONValue.object(TaskEvaluation.summary(Array(single))).line)
        }
        if let writer { try write(results, to: writer) }
        guard let publish, let combine else { return }
        let alias = try store.setAlias(publish, to: .ensemble(members: members, combine: combine))
        StandardError.print("\(alias.name): \(alias.target)")
    }

    /// The versions that the ensemble is to have.
    private func members(of store: PromptStore) throws -> [TaskVersion] {
        try tasks.map { reference in
            guard case .task(let manifest) = try store.resolve(reference) else {
                throw CommandError("\(reference) is an ensemble itself; a version was expected")
            }
            return manifest.id
        }
    }

    private func write(_ results: [TaskEvaluation.Result], to writer: LineWriter) throws {
        for result in results {
            for (row, answer) in result.predictions.enumerated() {
                try writer.write([
                    "task": .string(result.task), "row": JSONValue(row + 1), "answer": .string(answer),
                ])
            }
        }
        try writer.commit()
    }
}
