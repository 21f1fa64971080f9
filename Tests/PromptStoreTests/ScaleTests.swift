import Foundation
import JSON
import PromptStore
import TestSupport
import Testing

@Suite("A store of many tasks")
struct ScaleTests {
    @Test("is published in batches, listed, resolved, served and collected with bounded memory")
    func manyTasks() throws {
        let directory = try TemporaryFolder()
        let store = try PromptStore(path: directory.file("store"), mode: .readWrite, residentBytes: 1 << 20)
        let count = TestLength.count(30_000, long: 100_000)
        var noise = SeededGenerator(state: 6)
        let frames = try (0..<500).map { _ in try PromptFrame(noise.prompt(4, 64), as: .bfloat16) }
        func name(_ index: Int) -> String { "task-" + String(index + 1_000_000).dropFirst() }
        for start in stride(from: 0, to: count, by: 10_000) {
            let published = try store.publish(
                batch: (start..<start + 10_000).map { index in
                    Publication(
                        name: name(index), frame: frames[index % frames.count], coreFingerprint: coreA,
                        definition: JSONObject([("name", .string(name(index))), ("template", "{input}")]))
                })
            #expect(published.count == 10_000)
        }

        var listed = 0
        try store.forEachTask { task in
            let summary = try task.get()
            try #require(summary.alias.name == name(listed))
            try #require(summary.current.map(\.name) == [name(listed)])
            listed += 1
        }
        #expect(listed == count)

        for _ in 0..<count / 5 {
            let index = Int.random(in: 0..<count, using: &noise)
            guard case .task(let manifest) = try store.resolve(name(index)) else { throw CancellationError() }
            try #require(manifest.blob == frames[index % frames.count].hash)
            try #require(try store.prompt(for: manifest).rows == 4)
        }
        #expect(store.residency.cost <= 1 << 20)
        #expect(store.residency.count == 500)

        #expect(try store.remove(name(5)).count == 1)
        #expect(try store.collectGarbage().frames == 0)
        var visited: [String] = []
        try store.forEachTask(prefix: String(name(count - 10).dropLast())) {
            visited.append(try $0.get().alias.name)
        }
        #expect(visited == (count - 10..<count).map(name))
    }

    @Test("stops listing when told")
    func stop() throws {
        struct Enough: Error {}
        let directory = try TemporaryFolder()
        let store = try PromptStore(path: directory.file("store"), mode: .readWrite)
        for index in 0..<5 { try store.publish(publication("t\(index)")) }
        var visited = 0
        #expect(throws: Enough.self) {
            try store.forEachTask { _ in
                visited += 1
                // A visitor may call the store.
                _ = try store.resolve("t0")
                if visited == 3 { throw Enough() }
            }
        }
        #expect(visited == 3)
    }
}
