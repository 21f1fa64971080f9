import ArgumentParser

@main
struct Polyprompt: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "polyprompt", abstract: "Serve thousands of language tasks from one frozen T5.")
}
