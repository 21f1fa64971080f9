import ArgumentParser
import CommandSupport

@main
struct Polyprompt: MainCommand {
    static let configuration = CommandConfiguration(
        commandName: "polyprompt",
        abstract: "Serve many language tasks from one frozen T5.",
        discussion: """
            Each task is a soft prompt of some dozen kilobytes; requests for different tasks share one \
            forward pass.

              polyprompt prompts register --core DIR --store PATH FOLDER…   put tasks into a store
              polyprompt run --core DIR --store PATH --input FILE           answer a file of requests
            """,
        subcommands: [
            RunCommand.self, PromptsCommand.self, CoreCommand.self, DemoCommand.self, BenchCommand.self,
        ])
}
