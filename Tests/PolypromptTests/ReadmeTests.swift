import Foundation
import PromptStore
import Serving
import T5
import Tensors
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
    let text: String

    init() throws {
        folder = try TemporaryFolder()
        let readme = Command.package.appendingPathComponent("README.md")
        text = try String(contentsOf: readme, encoding: .utf8)
        // What a user who has built the command finds at the repository's root.
        let release = folder.url.appendingPathComponent(".build/release")
        try FileManager.default.createDirectory(at: release, withIntermediateDirectories: true)
        for (name, target) in [
            ("models", Command.package.appendingPathComponent("models")),
            ("prompts", Command.package.appendingPathComponent("prompts")),
            (".build/release/polyprompt", Command.executable),
        ] {
            try FileManager.default.createSymbolicLink(
                at: folder.url.appendingPathComponent(name), withDestinationURL: target.absoluteURL)
        }
    }

    /// The contents of the fenced blocks of a language, in order.
    private func blocks(_ language: String) -> [String] {
        var blocks: [[Substring]] = []
        var isInside = false
        var isWanted = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                isWanted = !isInside && line == "```" + language
                isInside.toggle()
                if isWanted { blocks.append([]) }
            } else if isWanted {
                blocks[blocks.count - 1].append(line)
            }
        }
        return blocks.map { $0.joined(separator: "\n") + "\n" }
    }

    /// Runs a block in the folder and returns its exit status and what it wrote.
    private func run(_ block: String) throws -> (status: Int32, written: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-e", "-c", block]
        process.currentDirectoryURL = folder.url
        let log = URL(fileURLWithPath: try folder.write("log", ""))
        let handle = try FileHandle(forWritingTo: log)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try String(contentsOf: log, encoding: .utf8))
    }

    /// A block's own exit status: 0 unless it says "# exit status N".
    private func expectedStatus(_ block: String) -> Int32 {
        guard let note = block.range(of: "# exit status ") else { return 0 }
        return Int32(block[note.upperBound...].prefix { $0.isNumber }) ?? 0
    }

    @Test("its commands run in order, each with the exit status it should have")
    func commands() throws {
        let blocks = blocks("sh").filter { $0.hasPrefix(".build/release/polyprompt ") }
        #expect(blocks.count >= 5)
        for block in blocks {
            let (status, written) = try run(block)
            #expect(status == expectedStatus(block), "\(block)\(written)")
        }
    }

    @Test("its task.json is one")
    func taskDefinition() throws {
        let definition = try #require(blocks("json").first)
        _ = try folder.write("task.json", definition)
        try FileManager.default.copyItem(
            atPath: Command.prompt("sentiment") + "/prompt.safetensors",
            toPath: folder.path("prompt.safetensors"))
        let registered = try Command.run(
            [
                "prompts", "register", "--core", Command.core, "--store", folder.path("store"),
                folder.url.path,
            ])
        #expect(registered.output == "entailment@1\n", "\(registered.errors)")
    }

    @Test("its Swift code is the code above, which answers")
    func library() throws {
        let snippet = try #require(blocks("swift").first)
        let code = try #require(snippet.range(of: "/// The label of each text.\n"))
        let source = try String(contentsOfFile: #filePath, encoding: .utf8)
        #expect(source.contains(snippet[code.lowerBound...]))
        let store = folder.path("store")
        let registered = try Command.run(
            [
                "prompts", "register", "--core", Command.core, "--store", store,
                Command.prompt("sentiment"),
            ])
        #expect(registered.status == 0, "\(registered.errors)")
        let labels = try classify(
            ["a warm and funny film", "a dull and bloated mess"], task: "sentiment", core: Command.core,
            store: store)
        #expect(labels == ["positive", "negative"])
    }
}
