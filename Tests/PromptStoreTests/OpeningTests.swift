import Foundation
import LMDB
import PromptStore
import TestSupport
import Testing

@Suite("Opening a store")
struct OpeningTests {
    let directory: TemporaryFolder

    init() throws { directory = try TemporaryFolder() }

    private func open(_ mode: PromptStore.Mode) throws -> PromptStore {
        try PromptStore(path: directory.file("store"), mode: mode)
    }

    @Test("makes it when missing, for writing only")
    func missing() throws {
        #expect(code { _ = try open(.readOnly) } == .notFound)
        #expect(try open(.readWrite).targets() == [])
        #expect(try open(.readOnly).targets() == [])
    }

    @Test(
        "of a newer format is refused, before and after it was opened",
        arguments: [PromptStore.Mode.readOnly, .readWrite])
    func newerFormat(mode: PromptStore.Mode) throws {
        let store = try open(.readWrite)
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        let meta = try environment.database("meta", createIfMissing: false)
        try environment.write { try $0.put(Array("2".utf8), for: Array("format".utf8), in: meta) }
        let error = #expect(throws: PromptStoreError.self) { try open(mode) }
        #expect(error?.code == .unsupportedFormat)
        #expect(error?.message.contains("format 2") == true)
        #expect(error?.message.contains(directory.file("store")) == true)
        #expect(code { try store.publish(publication("spam")) } == .unsupportedFormat)
        try environment.write { try $0.put(Array("x".utf8), for: Array("format".utf8), in: meta) }
        #expect(code { _ = try open(mode) } == .corrupted)
    }

    @Test("of another program's environment is refused and leaves it alone")
    func foreign() throws {
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        _ = try environment.database("theirs", createIfMissing: true)
        #expect(code { _ = try open(.readOnly) } == .notAStore)
        #expect(code { _ = try open(.readWrite) } == .notAStore)
        #expect(throws: LMDBError.self) { try environment.database("task", createIfMissing: false) }
    }

    @Test("that was not finished is finished by the next writer")
    func unfinished() throws {
        do {
            let environment = try Environment.open(directory.file("store"), mode: .readWrite)
            _ = try environment.database("meta", createIfMissing: true)
        }
        #expect(code { _ = try open(.readOnly) } == .notAStore)
        #expect(try open(.readWrite).targets() == [])
        #expect(throws: Never.self) { try open(.readOnly) }
    }

    @Test("of a file that is none is refused")
    func garbage() throws {
        try directory.makeFolder("store")
        try Data(repeating: 7, count: 10_000).write(
            to: URL(fileURLWithPath: directory.file("store/data.mdb")))
        #expect(code { _ = try open(.readOnly) } == .notAStore)
        #expect(code { _ = try open(.readWrite) } == .notAStore)
    }

    @Test("from its backup gives the same tasks")
    func backup() throws {
        let store = try open(.readWrite)
        for seed in 1...20 as ClosedRange<UInt64> { try store.publish(publication("spam", seed: seed)) }
        try store.publish(publication("ham", seed: 99))
        try store.remove("ham")
        try store.collectGarbage()
        try store.backup(to: directory.file("backup"))
        #expect(code { try store.backup(to: directory.file("backup")) } == .alreadyExists)
        #expect(code { try store.backup(to: directory.file("store")) } == .alreadyExists)

        let backup = try PromptStore(path: directory.file("backup"), mode: .readWrite)
        #expect(try backup.targets() == store.targets())
        let verification = try backup.verify()
        #expect((verification.frames, verification.problems) == (20, []))
        #expect(try backup.publish(publication("ham")).id.version == 2)
        #expect(code { _ = try store.resolve("ham") } == .notFound)
    }
}
