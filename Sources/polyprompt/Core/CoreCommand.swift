import ArgumentParser

/// `polyprompt core …`: look at a core by itself.
struct CoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "core", abstract: "Look at a core by itself: its numbers, its tokenizer.",
        subcommands: [CoreProbeCommand.self, CoreTokenizeCommand.self, CoreDetokenizeCommand.self])
}
