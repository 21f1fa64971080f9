import Foundation
import PromptStore
import Serving
import T5
import Tensors
import TestSupport
import Testing

/// The label of each text.
func classify(_ texts: [String], task: String, core: String, store: String) throws -> [String?] {
    let pool = WorkerPool(threadCount: WorkerPool.availableProcessors)
    let model = try T5Core(core, pool: pool)
    let engine = InferenceEngine(
        core: model,
        tokenizer: try CoreTokenizer.load(core, vocabularySize: model.configuration.vocabularySize),
        store: try PromptStore(path: store, mode: .readOnly), pool: pool)
    let requests = texts.map { InferenceRequest(task: task, input: .text(.string($0))) }
    return try engine.answer(requests).map { try $0.result.get().label }
}

/// What the README shows works as it is shown.
@Suite("README")
struct ReadmeTests {
    let folder: TemporaryFolder
    let readme: Document

    init() throws {
        folder = try TemporaryFolder.likeRepository()
        readme = try Document("README.md")
    }

    @Test("its commands run in order, each with the exit status it should have")
    func commands() throws {
        let examples = readme.examples(of: "polyprompt")
        #expect(examples.count >= 5)
        for example in examples {
            let result = try Command.shell(example.commands, in: folder)
            #expect(result.status == example.status, "\(example.commands)\(result.output)\(result.errors)")
        }
    }

    @Test("its task.json is one")
    func taskDefinition() throws {
        let definition = try #require(readme.blocks("json").first)
        try folder.write("task.json", definition)
        try FileManager.default.copyItem(
            atPath: Repository.prompt("sentiment") + "/prompt.safetensors",
            toPath: folder.file("prompt.safetensors"))
        let registered = try Command.polyprompt(
            [
                "prompts", "register", "--core", Repository.core, "--store", folder.file("store"),
                folder.path,
            ])
        #expect(registered.output == "entailment@1\n", "\(registered.errors)")
    }

    @Test("its Swift code is the code above, which answers")
    func library() throws {
        let snippet = try #require(readme.blocks("swift").first)
        let code = try #require(snippet.range(of: "/// The label of each text.\n"))
        let source = try String(contentsOfFile: #filePath, encoding: .utf8)
        #expect(source.contains(snippet[code.lowerBound...]))
        let store = folder.file("store")
        let registered = try Command.polyprompt(
            [
                "prompts", "register", "--core", Repository.core, "--store", store,
                Repository.prompt("sentiment"),
            ])
        #expect(registered.status == 0, "\(registered.errors)")
        let labels = try classify(
            ["a warm and funny film", "a dull and bloated mess"], task: "sentiment", core: Repository.core,
            store: store)
        #expect(labels == ["positive", "negative"])
    }
}
