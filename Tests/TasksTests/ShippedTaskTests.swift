import Foundation
import Tasks
import Testing

/// The task folders that ship with the package.
private let folders = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "prompts")

@Suite("Shipped tasks")
struct ShippedTaskTests {
    static let names = [
        "assistant-intent", "emotion", "news-topic", "question-type", "sentiment", "spam", "subjectivity",
        "support-domain",
    ]

    @Test("their definitions can be read", arguments: names)
    func definitions(name: String) throws {
        let bytes = try [UInt8](Data(contentsOf: folders.appending(path: "\(name)/task.json")))
        let task = try TaskDefinition(parsing: bytes)
        #expect(task.name == name)
        #expect(task.verbalizer != nil)
        #expect(try TaskDefinition(json: task.json) == task)
    }

    @Test("their samples have enough rows, known labels in equal shares, and no row twice", arguments: names)
    func samples(name: String) throws {
        let folder = folders.appending(path: name)
        let task = try TaskDefinition(
            parsing: [UInt8](Data(contentsOf: folder.appending(path: "task.json"))))
        let examples = try LabelledExampleReader(task, unknownLabels: .refuse).read(
            [UInt8](Data(contentsOf: folder.appending(path: "sample.jsonl"))), file: "\(name)/sample.jsonl"
        ).examples
        #expect(examples.count >= 36)
        #expect(Set(examples.map(\.text)).count == examples.count)
        let counts = Dictionary(grouping: examples.flatMap(\.answers)) { $0 }.mapValues(\.count)
        #expect(Set(counts.keys) == Set(try #require(task.verbalizer).names))
        #expect(Set(counts.values).count == 1)
    }
}
