import ArgumentParser
import CommandSupport

@main
struct PolypromptTrain: MainCommand {
    static let configuration = CommandConfiguration(
        commandName: "polyprompt-train",
        abstract: "Train soft prompts for a frozen T5.",
        discussion: """
            Makes what polyprompt serves: a projected prompt in a task folder, or published in a store.

              polyprompt-train fit --core DIR --task task.json --train FILE --dev FILE --out DIR
              polyprompt-train evaluate --core DIR --store PATH --task NAME --data FILE
            """,
        subcommands: [
            FitCommand.self, EvaluateCommand.self, ConvertCommand.self, AdaptCommand.self, BenchCommand.self,
        ])
}
