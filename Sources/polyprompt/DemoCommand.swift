import ArgumentParser
import Basics
import CommandSupport
import Foundation
import PromptStore
import Serving
import T5
import Tasks

/// `polyprompt demo`: registers the tasks of a folder in a store of its own and answers their samples.
struct DemoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Register a folder of tasks, answer their samples in mixed batches, report accuracy.",
        discussion: """
            Every task folder with a sample.jsonl takes part. The store is temporary. Prints some answers, then a \
            line a task with its accuracy on its sample, then the throughput.
            """)

    @OptionGroup var compute: ComputeOptions

    @Option(help: ArgumentHelp("The folder of task folders.", valueName: "dir"))
    var prompts: String

    /// Sentences shown of each task.
    private static let shown = 2

    func run() throws {
        let folders = try taskFolders()
        let pool = compute.makePool()
        let core = try compute.loadCore(pool)
        let tokenizer = try CoreTokenizer.load(
            compute.core, vocabularySize: core.configuration.vocabularySize)
        let folder = try PartialFolder(temporary: "demo", files: PromptStore.files)
        defer { withExtendedLifetime(folder) {} }
        let store = try PromptStore(path: folder.path, mode: .readWrite)
        _ = try store.publish(
            batch: folders.map { try $0.folder.publication(for: core, tokenizer: tokenizer) })

        // One request of each task in turn: every batch holds all tasks.
        var requests: [(task: Int, example: LabelledExample)] = []
        for row in 0..<(folders.map(\.examples.count).max() ?? 0) {
            for (task, entry) in folders.enumerated() where row < entry.examples.count {
                requests.append((task, entry.examples[row]))
            }
        }
        let engine = InferenceEngine(core: core, tokenizer: tokenizer, store: store, pool: pool)
        let start = ContinuousClock.now
        let responses = engine.answer(
            requests.map { request in
                InferenceRequest(
                    task: folders[request.task].folder.definition.name,
                    input: .rendered(request.example.input)
                )
            })
        let seconds = (ContinuousClock.now - start) / .seconds(1)

        var answers = folders.map { _ in [(example: LabelledExample, answer: InferenceResponse.Answer)]() }
        for (request, response) in zip(requests, responses) {
            answers[request.task].append((request.example, try response.result.get()))
        }
        for (entry, answers) in zip(folders, answers) {
            try StandardOutput.print(
                "\(entry.folder.definition.name): \(entry.folder.definition.description)")
            for (example, answer) in answers.prefix(Self.shown) {
                try StandardOutput.print(Self.line(example, answer))
            }
        }
        try StandardOutput.print()
        for (entry, answers) in zip(folders, answers) {
            let definition = entry.folder.definition
            let score = try definition.metric.score(
                answers.map { example, answer in
                    EvaluatedAnswer(
                        prediction: answer.label ?? answer.output ?? "", references: example.answers,
                        group: example.group)
                }, labels: definition.verbalizer?.names ?? [])
            let name = definition.name.padding(toLength: 20, withPad: " ", startingAt: 0)
            try StandardOutput.print(
                "\(name)\(definition.metric.rawValue) \(score.formatted(digits: 3)) on \(answers.count) sentences"
            )
        }
        try StandardOutput.print(
            "\n\(requests.count) requests for \(folders.count) tasks in \(engine.totals.batches) mixed batches, "
                + "\(core.precision.rawValue), \(pool.threadCount) threads: "
                + "\((Double(requests.count) / seconds).formatted(digits: 0)) requests/s")
    }

    /// The task folders, by name, with their samples.
    private func taskFolders() throws -> [(folder: TaskFolder, examples: [LabelledExample])] {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: prompts) else {
            throw CommandError("cannot read the folder \(prompts)")
        }
        let folders = try names.sorted().map { "\(prompts)/\($0)" }.filter {
            FileManager.default.fileExists(atPath: $0 + "/sample.jsonl")
        }.map { path in
            let folder = try TaskFolder(path: path)
            let file = path + "/sample.jsonl"
            let bytes = try readRegularFile(file, limit: FileLimit.data)
            let reader = try LabelledExampleReader(folder.definition, unknownLabels: .refuse)
            return (folder, try reader.read(bytes, file: file).examples)
        }
        guard !folders.isEmpty else {
            throw CommandError("\(prompts) has no task folder with a sample.jsonl")
        }
        return folders
    }

    /// A sentence, its answer and the answer's probability.
    private static func line(_ example: LabelledExample, _ answer: InferenceResponse.Answer) -> String {
        let text = example.text.count > 72 ? example.text.prefix(71) + "…" : example.text[...]
        let probability = answer.scores?.first { $0.label == answer.label }?.probability
        let share = probability.map { " (\($0.formatted(digits: 2)))" } ?? ""
        return "  \(text)\n    → \(answer.label ?? answer.output ?? "")\(share)"
    }
}
