import ArgumentParser
import CommandSupport
import Foundation
import JSON
import PromptStore

/// `polyprompt prompts list`
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List a store's tasks as JSON Lines.",
        discussion: """
            A name with a damaged record is left out and named on standard error; the exit status is 2 then.
            """)

    @OptionGroup var location: StoreOptions

    @Option(help: ArgumentHelp("Only names that begin so.", valueName: "text"))
    var prefix = ""

    func run() throws {
        var isDamaged = false
        try location.open(.readOnly).forEachTask(prefix: prefix) { result in
            let task: TaskSummary
            switch result {
            case .success(let summary): task = summary
            case .failure(let error):
                StandardError.print("warning: \(error)")
                isDamaged = true
                return
            }
            var object = JSONObject([
                ("name", .string(task.alias.name)), ("target", .string(task.alias.target.description)),
                ("versions", JSONValue(task.versions)),
            ])
            if let manifest = task.current.first {
                object["rows"] = JSONValue(manifest.rows)
                object["width"] = JSONValue(manifest.width)
                object["element_type"] = .string(manifest.elementType.rawValue)
                object["core"] = .string(manifest.coreFingerprint)
                object["description"] = manifest.definition["description"] ?? ""
            }
            try StandardOutput.print(JSONValue.object(object).line)
        }
        if isDamaged { throw ExitCode(2) }
    }
}

/// `polyprompt prompts show`
struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a task, a version or an ensemble as JSON.")

    @OptionGroup var location: StoreOptions

    @Argument(help: ArgumentHelp("name or name@version", valueName: "task"))
    var task: String

    func run() throws {
        let store = try location.open(.readOnly)
        let resolution = try store.resolve(task)
        var object = JSONObject()
        if case .ensemble(let ensemble) = resolution {
            object["ensemble"] = .string(ensemble.name)
            object["combine"] = .string(ensemble.combine.rawValue)
            object["members"] = .array(try ensemble.members.map { .object(try Self.describe($0, in: store)) })
        } else if let manifest = resolution.manifests.first {
            object = try Self.describe(manifest, in: store)
        }
        try StandardOutput.print(JSONValue.object(object).indented, terminator: "")
    }

    private static func describe(_ manifest: PromptManifest, in store: PromptStore) throws -> JSONObject {
        var object = JSONObject([
            ("name", .string(manifest.name)), ("version", JSONValue(manifest.version)),
            ("versions", JSONValue(try store.versions(of: manifest.name).map(\.version))),
            ("rows", JSONValue(manifest.rows)), ("width", JSONValue(manifest.width)),
            ("element_type", .string(manifest.elementType.rawValue)), ("blob", .string(manifest.blob)),
            ("stored_bytes", JSONValue(try store.frame(for: manifest).bytes.count)),
            ("core", .string(manifest.coreFingerprint)),
        ])
        if let hash = manifest.tokenizerHash { object["tokenizer"] = .string(hash) }
        let date = Date(timeIntervalSince1970: Double(manifest.createdAt))
        object["created"] = .string(ISO8601DateFormatter().string(from: date))
        object["definition"] = .object(manifest.definition)
        object["provenance"] = .object(manifest.provenance)
        return object
    }
}
