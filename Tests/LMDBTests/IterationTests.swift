import LMDB
import TestSupport
import Testing

@Suite("Iteration")
struct IterationTests {
    let directory: TemporaryFolder
    let environment: Environment
    let database: Database

    init() throws {
        directory = try TemporaryFolder()
        environment = try Environment.open(directory.file("store"), mode: .readWrite)
        database = try environment.database("words", createIfMissing: true)
        let database = database
        try environment.write { transaction in
            for word in ["b", "a", "ab", "abc", "ac", "ca"] {
                try transaction.put(bytes("=" + word), for: bytes(word), in: database)
            }
        }
    }

    private func keys(prefix: String = "", after: String? = nil, limit: Int = .max) throws -> [String] {
        try environment.read { transaction in
            var keys: [String] = []
            try transaction.forEach(in: database, prefix: bytes(prefix), after: after.map(bytes)) {
                key, value in
                let text = key.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                #expect(value.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } == "=" + text)
                keys.append(text)
                return keys.count == limit ? .stop : .next
            }
            return keys
        }
    }

    @Test("visits keys in the order of their bytes")
    func order() throws {
        #expect(try keys() == ["a", "ab", "abc", "ac", "b", "ca"])
    }

    @Test("visits only keys with the prefix")
    func prefix() throws {
        #expect(try keys(prefix: "ab") == ["ab", "abc"])
        #expect(try keys(prefix: "c") == ["ca"])
        #expect(try keys(prefix: "bb") == [])
        #expect(try keys(prefix: "z") == [])
    }

    @Test("goes on after a key, whether or not it is there")
    func after() throws {
        #expect(try keys(after: "ab") == ["abc", "ac", "b", "ca"])
        #expect(try keys(after: "abb") == ["abc", "ac", "b", "ca"])
        #expect(try keys(prefix: "a", after: "ab") == ["abc", "ac"])
        #expect(try keys(prefix: "ab", after: "a") == ["ab", "abc"])
        #expect(try keys(after: "ca") == [])
        #expect(try keys(prefix: "a", after: "b") == [])
    }

    @Test("stops when told")
    func stop() throws {
        #expect(try keys(limit: 2) == ["a", "ab"])
    }

    @Test("passes on what its closure throws")
    func throwing() throws {
        struct Refusal: Error {}
        #expect(throws: Refusal.self) {
            try environment.read { try $0.forEach(in: database) { _, _ in throw Refusal() } }
        }
    }
}
