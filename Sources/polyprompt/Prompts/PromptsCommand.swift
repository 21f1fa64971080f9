import ArgumentParser
import PromptStore

/// `polyprompt prompts …`: look after a prompt store.
struct PromptsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prompts", abstract: "Look after a prompt store: register, list, verify, roll back …",
        discussion: "A server on the same store serves every change at once, without a restart.",
        subcommands: [
            RegisterCommand.self, ListCommand.self, ShowCommand.self, VerifyCommand.self, RemoveCommand.self,
            AliasCommand.self, RollbackCommand.self, CollectCommand.self, BackupCommand.self,
            NearestCommand.self,
        ])
}

/// Where the store is.
struct StoreOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The prompt store's directory.", valueName: "path"))
    var store: String

    func open(_ mode: PromptStore.Mode) throws -> PromptStore { try PromptStore(path: store, mode: mode) }
}

extension PromptElementType: ExpressibleByArgument {}
extension Combination: ExpressibleByArgument {}
