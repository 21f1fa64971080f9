import Foundation
import JSON
import PromptStore
import Serving
import T5
import TestSupport
import Testing

/// The Swift code of the documents is the code in `Snippets`, which does what they say.
@Suite("Swift snippets")
struct SnippetTests {
    /// The documents with Swift code, and the files that it stands in.
    static let snippets = [
        ("README.md", "ClassifyTexts"),
        ("Sources/PromptStore/PromptStore.docc/PublishAndServeVersions.md", "PublishAndServeVersions"),
        ("Sources/Serving/Serving.docc/AnswerRequests.md", "AnswerRequests"),
        ("Sources/T5/T5.docc/RunACore.md", "RunACore"),
        ("Sources/Training/Training.docc/TrainAPrompt.md", "TrainAPrompt"),
    ]

    @Test("stand in a file that is compiled", arguments: snippets)
    func areCompiled(page: String, file: String) throws {
        let source = try String(
            contentsOfFile: Repository.file("Tests/DocumentationTests/Snippets/\(file).swift"),
            encoding: .utf8)
        let blocks = try Document(page).blocks("swift")
        #expect(!blocks.isEmpty)
        for block in blocks {
            let lines = block.split(separator: "\n", omittingEmptySubsequences: false)
            let imports = lines.prefix { $0.hasPrefix("import ") }
            for line in imports { #expect(source.contains(line + "\n"), "\(page): \(line)") }
            let code = lines.dropFirst(imports.count).drop(while: \.isEmpty).joined(separator: "\n")
            #expect(source.contains(code), "\(page): \(code)")
        }
    }

    @Test("the README's and Serving's answer requests")
    func answerRequests() throws {
        let folder = try TemporaryFolder()
        let store = folder.file("store")
        let registered = try Command.polyprompt([
            "prompts", "register", "--core", Repository.core, "--store", store,
            Repository.prompt("sentiment"),
            Repository.prompt("spam"),
        ])
        #expect(registered.status == 0, "\(registered.errors)")
        let texts = ["a warm and funny film", "a dull and bloated mess"]
        let labels = try classify(texts, task: "sentiment", core: Repository.core, store: store)
        #expect(labels == ["positive", "negative"])

        let engine = try makeEngine(core: Repository.core, store: store)
        #expect(
            ask(["sentiment", "spam", "none"], about: texts[0], engine)
                == ["sentiment: positive", "spam: not spam", "none: unknown_task"])
        var waiting = texts.map { InferenceRequest(task: "sentiment", input: .text(.string($0))) }[...]
        var answers: [String] = []
        func collect(_ response: InferenceResponse) {
            answers.append((try? response.result.get().label) ?? "")
        }
        serve({ waiting.popFirst() }, engine, answer: collect)
        #expect(answers.sorted() == ["negative", "positive"])
    }

    @Test("T5's runs a core")
    func runACore() throws {
        let session = try openCore(Repository.core)
        let width = session.core.configuration.modelWidth
        let prompt = [Float](repeating: 0.1, count: 2 * width)
        let written = try continuation(of: [5, 6, 1], after: prompt, by: session)
        #expect((1...8).contains(written.count))
        let scores = try probabilities(
            of: [[5, 1], [6, 7, 1]],
            for: [T5Input(rows: prompt, ids: [9, 1]), T5Input(rows: [], ids: [8, 1])],
            by: session)
        #expect(scores.count == 2)
        for score in scores { #expect(abs(score.reduce(0, +) - 1) < 1e-6, "\(score)") }
    }

    @Test("PromptStore's publishes and finds versions")
    func publishVersions() throws {
        let folder = try TemporaryFolder()
        let store = try PromptStore(path: folder.file("store"), mode: .readWrite)
        let core = String(repeating: "0", count: 64)
        let versions = try [1, 2].map { value in
            try publish(
                SoftPrompt(rows: 1, width: 2, values: [value, value]), as: "mood", for: core, in: store)
        }
        #expect(versions.map(\.description) == ["mood@1", "mood@2"])
        try manageNames(versions[0], versions[1], in: store)
        #expect(try prompts(named: "mood", for: core, in: store).map(\.values) == [[2, 2]])
        #expect(try prompts(named: "stable", for: core, in: store).map(\.values) == [[1, 1]])
        #expect(try prompts(named: "both", for: core, in: store).map(\.values) == [[1, 1], [2, 2]])
    }

    @Test("Training's trains and publishes a prompt")
    func trainAPrompt() throws {
        let folder = try TemporaryFolder()
        let results = try train(
            task: Repository.prompt("spam"), rows: Repository.prompt("spam") + "/sample.jsonl",
            core: Repository.core, store: folder.file("store"), folder: folder.file("run"))
        #expect(results.map(\.published?.description) == ["my-spam@1"])
    }
}
