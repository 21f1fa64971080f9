import Foundation
import JSON
import LMDB
import PromptStore
import TestSupport
import Testing

@Suite("A damaged file")
struct DamageTests {
    private static let pageSize = 4096

    let directory: TemporaryFolder

    init() throws { directory = try TemporaryFolder() }

    private func data(_ name: String) -> URL { URL(fileURLWithPath: directory.file(name) + "/data.mdb") }

    /// A store of 40 tasks with prompts of several pages, some of them removed again, closed.
    private func makeStore() throws {
        let store = try PromptStore(path: directory.file("store"), mode: .readWrite)
        var noise = SeededGenerator(state: 1)
        _ = try store.publish(
            batch: (0..<40).map { index in
                Publication(
                    name: "task-\(index)", frame: try PromptFrame(noise.prompt(30, 64), as: .bfloat16),
                    coreFingerprint: coreA, definition: JSONObject([("template", "{input}")]))
            })
        for index in 0..<10 { try store.remove("task-\(index * 4)") }
        try store.collectGarbage()
    }

    /// Where the pages of trees begin, and those of large values, in use or not.
    private func pages(_ bytes: [UInt8]) -> (trees: [Int], large: [Int]) {
        let starts = stride(from: 0, to: bytes.count, by: Self.pageSize).filter { start in
            (0..<8).reversed().reduce(0) { $0 << 8 | Int(bytes[start + $1]) } == start / Self.pageSize
                && bytes[start + 11] == 0
        }
        return (starts.filter { [1, 2].contains(bytes[$0 + 10]) }, starts.filter { bytes[$0 + 10] == 4 })
    }

    /// Uses everything that a store has; what it throws is the store's own.
    private func use(_ path: String) throws -> Int {
        let store: PromptStore
        do throws(PromptStoreError) {
            store = try PromptStore(path: path, mode: .readWrite)
        } catch { return 1 }
        var problems = try store.verify().problems.count
        let uses: [() throws -> Void] = [
            {
                var names: [String] = []
                try store.forEachTask { if let task = try? $0.get() { names.append(task.alias.name) } }
                for name in names {
                    if let manifest = try? store.task(name) { _ = try? store.prompt(for: manifest) }
                }
            },
            { _ = try store.publish(publication("new")) },
            { for index in 1..<6 { _ = try? store.remove("task-\(index)") } },
            { _ = try store.collectGarbage() },
            { try store.backup(to: path + ".backup") },
        ]
        for use in uses {
            do { try use() } catch is PromptStoreError { problems += 1 }
        }
        return problems
    }

    @Test("never ends the process, whatever bit is flipped in the pages that LMDB trusts")
    func flippedBits() throws {
        try makeStore()
        let sound = Array(try Data(contentsOf: data("store")))
        let (trees, large) = pages(sound)
        try #require(trees.count > 6 && large.count > 20)
        var noise = SeededGenerator(state: 2)
        var harmed = 0
        let cases = TestLength.count(100, long: 300)
        for index in 0..<cases {
            var bytes = sound
            let page = try #require((index % 4 == 3 ? large : trees).randomElement(using: &noise))
            // A page's header, or its header, offsets and first nodes.
            let offset = Int.random(
                in: 0..<(index % 4 == 0 || index % 4 == 3 ? 16 : Self.pageSize), using: &noise)
            bytes[page + offset] ^= 1 << UInt8.random(in: 0..<8, using: &noise)
            let name = "case-\(index)"
            try directory.makeFolder(name)
            try Data(bytes).write(to: data(name))
            if try use(directory.file(name)) > 0 { harmed += 1 }
            for used in [name, name + ".backup"] {
                try? FileManager.default.removeItem(atPath: directory.file(used))
            }
        }
        // Half of the pages may be free ones.
        #expect(harmed > cases / 8)
    }

    @Test("is the one problem that verification then finds")
    func verification() throws {
        try makeStore()
        let store = try PromptStore(path: directory.file("store"), mode: .readWrite)
        #expect(try store.verify().problems == [])
        let file = try #require(FileHandle(forUpdatingAtPath: data("store").path))
        // The flags of every page of a tree.
        for page in pages(Array(try Data(contentsOf: data("store")))).trees {
            try file.seek(toOffset: UInt64(page + 10))
            try file.write(contentsOf: [0x22])
        }
        let found = try store.verify()
        #expect(found.problems.map(\.record) == ["data.mdb"])
        #expect(found.problems.first?.message.contains(directory.file("store")) == true)
        #expect((found.frames, found.versions, found.aliases) == (0, 0, 0))
    }

    @Test("is not copied by a backup")
    func backup() throws {
        try makeStore()
        var bytes = Array(try Data(contentsOf: data("store")))
        // Every large value says that it has another 256 pages.
        for page in pages(bytes).large { bytes[page + 13] ^= 1 }
        try Data(bytes).write(to: data("store"))
        let store = try PromptStore(path: directory.file("store"), mode: .readOnly)
        #expect(code { try store.backup(to: directory.file("backup")) } == .corrupted)
        #expect(!FileManager.default.fileExists(atPath: directory.file("backup")))
        #expect(try store.verify().problems.map(\.record) == ["data.mdb"])
        let manifest = try #require(try store.task("task-1"))
        #expect(try store.prompt(for: manifest).rows == 30)
    }
}
