import ArgumentParser
import CommandSupport
import PromptStore

/// `polyprompt prompts verify`
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read everything in a store and report what is damaged.",
        discussion: "Exit status: 0 when all is sound, 2 when something is damaged.")

    @OptionGroup var location: StoreOptions

    func run() throws {
        let verification = try location.open(.readOnly).verify()
        for problem in verification.problems { try StandardOutput.print("\(problem)") }
        StandardError.print(
            "\(verification.frames) prompts, \(verification.versions) versions, \(verification.aliases) names: "
                + "\(verification.problems.count) problems")
        if !verification.problems.isEmpty { throw ExitCode(2) }
    }
}

/// `polyprompt prompts remove`
struct RemoveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a version, or a name with all its versions.",
        discussion: """
            A version's number is never given again. The prompt's bytes stay until prompts gc. Prints what was \
            removed.
            """)

    @OptionGroup var location: StoreOptions

    @Argument(help: ArgumentHelp("name or name@version", valueName: "task"))
    var task: String

    func run() throws {
        for version in try location.open(.readWrite).remove(task) { try StandardOutput.print("\(version)") }
    }
}

/// `polyprompt prompts rollback`
struct RollbackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Point a name at what it stood for before.",
        discussion: "Can be repeated to go further back. Prints what the name stands for now.")

    @OptionGroup var location: StoreOptions

    @Argument(help: "The name.")
    var name: String

    func run() throws {
        let alias = try location.open(.readWrite).rollback(name)
        try StandardOutput.print("\(alias.target)")
    }
}

/// `polyprompt prompts gc`
struct CollectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Remove prompts that no version names.",
        discussion: """
            A damaged version is named on standard error and keeps the prompts that it may name; the exit status \
            is 2 then.
            """)

    @OptionGroup var location: StoreOptions

    func run() throws {
        let collected = try location.open(.readWrite).collectGarbage()
        try StandardOutput.print("\(collected.frames) prompts, \(collected.bytes) bytes")
        for error in collected.damaged { StandardError.print("warning: \(error)") }
        if !collected.damaged.isEmpty { throw ExitCode(2) }
    }
}

/// `polyprompt prompts backup`
struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Write a compact copy of a store.",
        discussion: "Servers go on meanwhile. The copy appears when it is complete.")

    @OptionGroup var location: StoreOptions

    @Argument(help: ArgumentHelp("Where the copy goes; nothing may be there.", valueName: "path"))
    var target: String

    func run() throws {
        try location.open(.readOnly).backup(to: target)
    }
}
