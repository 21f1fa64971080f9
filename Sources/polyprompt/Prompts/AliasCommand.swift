import ArgumentParser
import Basics
import CommandSupport
import PromptStore
import Tasks

/// `polyprompt prompts alias`
struct AliasCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "alias", abstract: "Point a name at a version, or at several that answer as one.",
        discussion: """
            polyprompt prompts alias --store PATH stable spam@3
              polyprompt prompts alias --store PATH spam-all --ensemble spam@1,spam@2,spam@3 --combine majority
            """)

    @OptionGroup var location: StoreOptions

    @Argument(help: "The name.")
    var name: String

    @Argument(help: ArgumentHelp("What it stands for: name@version.", valueName: "version"))
    var target: String?

    @Option(help: ArgumentHelp("The members of an ensemble: a@1,b@3,…", valueName: "versions"))
    var ensemble: String?

    @Option(help: "How an ensemble's answers become one: mean (of probabilities) or majority.")
    var combine: Combination = .mean

    func validate() throws {
        guard (target == nil) != (ensemble == nil) else {
            throw ValidationError("give either a version or --ensemble")
        }
    }

    func run() throws {
        let store = try location.open(.readWrite)
        let alias: Alias
        if let ensemble {
            let members = try ensemble.split(separator: ",").map { try version(String($0)) }
            try checkLabels(members, store)
            alias = try store.setAlias(name, to: .ensemble(members: members, combine: combine))
        } else {
            alias = try store.setAlias(name, to: .version(try version(target ?? "")))
        }
        try StandardOutput.print("\(alias.name): \(alias.target)")
    }

    private func version(_ text: String) throws -> TaskVersion {
        guard case .version(let version) = try TaskReference(text) else {
            throw CommandError("\(text.quoted) names no version; name@version was expected")
        }
        return version
    }

    /// The store does not look into definitions: that members answer with the same labels is seen to here.
    private func checkLabels(_ members: [TaskVersion], _ store: PromptStore) throws {
        let definitions = try members.flatMap { try store.resolve($0.description).manifests }.map {
            try TaskDefinition(json: $0.definition)
        }
        guard let first = definitions.first else { return }
        for (member, definition) in zip(members, definitions) where definition.verbalizer != first.verbalizer
        {
            throw CommandError(
                "\(member) has other labels than \(members[0]); an ensemble's members share them")
        }
        if combine == .mean, first.verbalizer == nil {
            throw CommandError("\(members[0]) has no labels, so there is no mean; use --combine majority")
        }
    }
}
