import Foundation
import TestSupport
import Testing

/// What the README and the pages of `docs` show works as it is shown.
@Suite("Guides")
struct GuideTests {
    /// The pages that show commands.
    static let pages = Document.names.filter { name in
        (try? Document(name).examples.isEmpty) == false
    }

    @Test("their commands run in order, each with the exit status it should have", arguments: pages)
    func commands(page: String) throws {
        let folder = try TemporaryFolder.likeRepository()
        for example in try Document(page).examples {
            let result = try Command.shell(example.commands, in: folder)
            #expect(result.status == example.status, "\(example.commands)\(result.output)\(result.errors)")
        }
    }

    @Test("there are commands in those that are to show some")
    func coverage() {
        let expected = ["cores", "requests", "task-definition", "training", "versions"].map {
            "docs/\($0).md"
        }
        #expect(Set(expected + ["README.md"]).isSubset(of: Self.pages))
    }

    @Test("their task.json is one", arguments: ["README.md", "docs/task-definition.md"])
    func taskDefinition(page: String) throws {
        let folder = try TemporaryFolder()
        try folder.write("task.json", try #require(Document(page).blocks("json").first))
        try folder.link("prompt.safetensors", to: Repository.prompt("sentiment") + "/prompt.safetensors")
        let registered = try Command.polyprompt([
            "prompts", "register", "--core", Repository.core, "--store", folder.file("store"), folder.path,
        ])
        #expect(registered.output == "entailment@1\n", "\(registered.errors)")
    }

    @Test("their links lead somewhere", arguments: Document.names)
    func links(page: String) throws {
        let folder = URL(fileURLWithPath: Repository.file(page)).deletingLastPathComponent()
        for link in try Document(page).links where !link.contains("://") {
            let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            let file =
                parts[0].isEmpty
                ? Repository.file(page) : folder.appendingPathComponent(String(parts[0])).path
            #expect(FileManager.default.fileExists(atPath: file), "\(page): \(link)")
            guard parts.count == 2 else { continue }
            let anchors = try Document(path: file).anchors
            #expect(anchors.contains(String(parts[1])), "\(page): \(link)")
        }
    }
}
