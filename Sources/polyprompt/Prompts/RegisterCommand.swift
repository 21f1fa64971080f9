import ArgumentParser
import CommandSupport
import PromptStore
import Serving
import T5

/// `polyprompt prompts register`
struct RegisterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Put tasks into a store, as new versions.",
        discussion: """
            Takes task folders (task.json and prompt.safetensors), or with --name a bare .npy or .safetensors \
            matrix [rows, d_model]. All of them are published in one transaction, or none is. Prints name@version \
            a line; a task that stands in the store exactly so already keeps its version.
            """)

    @OptionGroup var compute: ComputeOptions
    @OptionGroup var location: StoreOptions

    @Option(help: ArgumentHelp("The task's name; one folder or file only.", valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp(
            "How the store holds the values: float32, float16, bfloat16 or int8 (default: as the file does).",
            valueName: "type"))
    var elementType: PromptElementType?

    @Argument(help: ArgumentHelp("Task folders or prompt files.", valueName: "folder|file"))
    var sources: [String]

    func validate() throws {
        guard !sources.isEmpty else { throw ValidationError("give at least one task folder or prompt file") }
        guard name == nil || sources.count == 1 else {
            throw ValidationError("--name goes with one folder or file, not with \(sources.count)")
        }
    }

    func run() throws {
        let folders = try sources.map { try TaskFolder(path: $0, name: name) }
        let core = try compute.loadCore(compute.makePool())
        let tokenizer = try CoreTokenizer.load(
            compute.core, vocabularySize: core.configuration.vocabularySize)
        let publications = try folders.map {
            try $0.publication(for: core, tokenizer: tokenizer, elementType: elementType)
        }
        for published in try location.open(.readWrite).publish(batch: publications) {
            try StandardOutput.print("\(published.id)")
        }
    }
}
