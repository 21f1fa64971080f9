import JSON
import LMDB
import PromptStore
import TestSupport
import Testing

@Suite("Verification")
struct VerifyTests {
    let directory: TemporaryFolder
    let store: PromptStore

    init() throws {
        directory = try TemporaryFolder()
        store = try PromptStore(path: directory.file("store"), mode: .readWrite)
        try store.publish(publication("spam"))
        try store.publish(publication("spam", seed: 2))
        try store.publish(publication("ham", seed: 3))
    }

    /// Changes every record of a database, beneath the store.
    private func change(_ name: String, _ change: ([UInt8], [UInt8]) -> (key: [UInt8], value: [UInt8])?)
        throws
    {
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        let database = try environment.database(name, createIfMissing: false)
        try environment.write { transaction in
            var records: [([UInt8], [UInt8])] = []
            try transaction.forEach(in: database) { key, value in
                records.append((key.withUnsafeBytes { Array($0) }, value.withUnsafeBytes { Array($0) }))
                return .next
            }
            for (key, value) in records {
                try transaction.delete(key, in: database)
                if let changed = change(key, value) {
                    try transaction.put(changed.value, for: changed.key, in: database)
                }
            }
        }
    }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("finds nothing wrong with a sound store")
    func sound() throws {
        let verification = try store.verify()
        #expect(verification.problems == [])
        #expect((verification.frames, verification.versions, verification.aliases) == (3, 3, 2))
    }

    @Test("finds a flipped bit, wherever it is in a frame, and so does serving")
    func flippedBits() throws {
        let size = try publication("spam").frame.bytes.count
        let manifest = try #require(try store.task("spam@1"))
        for position in 0..<size {
            func flip() throws {
                try change("blob") { key, value in
                    var value = value
                    if position < value.count { value[position] ^= 1 << (position % 8) }
                    return (key, value)
                }
            }
            try flip()
            #expect(try store.verify().problems.filter { $0.record.hasPrefix("blob") }.count == 3)
            let fresh = try PromptStore(path: directory.file("store"), mode: .readOnly)
            let error = #expect(throws: PromptStoreError.self) { try fresh.prompt(for: manifest) }
            #expect(error?.code == .corrupted)
            #expect(error?.message.contains("spam@1") == true)
            #expect(error?.message.contains(manifest.blob) == true)
            try flip()
        }
        #expect(try store.verify().problems == [])
    }

    @Test("finds a frame that is missing, and so does serving")
    func missingFrame() throws {
        try change("blob") { _, _ in nil }
        #expect(try store.verify().problems.map(\.record) == ["task ham@1", "task spam@1", "task spam@2"])
        let manifest = try #require(try store.task("spam"))
        #expect(code { _ = try store.prompt(for: manifest) } == .corrupted)
        #expect(code { _ = try store.frame(for: manifest) } == .corrupted)
    }

    @Test(
        "finds a damaged manifest, and so does resolving",
        arguments: [
            ("\"rows\":2", "\"rows\":0"), ("\"rows\":2", "\"rows\":\"2\""), ("\"rows\":2,", ""),
            ("\"width\":3", "\"width\":3,\"x\":1"), ("\"name\":\"spam\",\"prov", "\"name\":\"ham\",\"prov"),
            ("bfloat16", "bfloat17"), ("{\"blob", "[\"blob"), ("\"core\":\"a", "\"core\":\"A"),
            ("\"version\":1", "\"version\":7"), ("\"rows\":2", "\"rows\":3"),
        ])
    func damagedManifest(old: String, new: String) throws {
        var changed = 0
        try change("task") { key, value in
            guard text(key).hasPrefix("spam"), key.last == 1 else { return (key, value) }
            let ranges = text(value).ranges(of: old)
            changed += ranges.count
            return (key, Array(text(value).replacing(old, with: new).utf8))
        }
        try #require(changed == 1)
        let problems = try store.verify().problems
        #expect(problems.map(\.record) == ["task spam@1"])
        let fresh = try PromptStore(path: directory.file("store"), mode: .readOnly)
        // A shape that is only wrong shows when the prompt is read.
        let error = #expect(throws: PromptStoreError.self) {
            _ = try fresh.prompt(for: #require(try fresh.task("spam@1")))
        }
        #expect(error?.code == .corrupted)
        #expect(error?.message.contains("spam@1") == true)
        try store.remove("spam@1")
        #expect(try store.verify().problems == [])
    }

    @Test(
        "finds a damaged alias, and so does resolving",
        arguments: [
            "", "{}", "{\"history\":[],\"target\":\"spam\"}", "{\"history\":[1],\"target\":\"spam@1\"}",
            "{\"history\":[],\"target\":\"spam@9\"}", "{\"history\":[],\"target\":\"spam@1\",\"x\":1}",
            "{\"history\":[],\"target\":{\"combine\":\"mean\",\"members\":[]}}",
            "{\"history\":[],\"target\":{\"combine\":\"mean\",\"members\":[\"spam@1\",\"x\"]}}",
            "{\"history\":[],\"target\":{\"combine\":\"sum\",\"members\":[\"spam@1\",\"spam@2\"]}}",
        ])
    func damagedAlias(value: String) throws {
        try change("alias") { key, old in (key, text(key) == "spam" ? Array(value.utf8) : old) }
        #expect(try store.verify().problems.map(\.record) == ["alias spam"])
        let error = #expect(throws: PromptStoreError.self) { try store.resolve("spam") }
        #expect(error?.code == .corrupted)
        #expect(error?.message.contains("\"spam\"") == true)
        #expect(try store.remove("spam").count == 2)
        #expect(try store.verify().problems == [])
    }

    @Test("finds keys that are none, and records that others need", arguments: ["version", "alias", "meta"])
    func lostRecords(database: String) throws {
        try change(database) { key, value in key == Array("format".utf8) ? (key, value) : nil }
        #expect(try store.verify().problems.map(\.record) == ["task ham@1", "task spam@1", "task spam@2"])
    }

    @Test("finds keys that are none", arguments: [("blob", 1), ("task", 1), ("alias", 1)])
    func wrongKeys(database: String, count: Int) throws {
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        let handle = try environment.database(database, createIfMissing: false)
        try environment.write { try $0.put([1], for: Array("\u{1}KEY".utf8), in: handle) }
        #expect(try store.verify().problems.count == count)
    }
}
