import ArgumentParser

@main
struct PolypromptTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "polyprompt-train",
        abstract: "Train soft prompts for a frozen T5.")
}
