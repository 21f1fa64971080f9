import Foundation
import Glibc
import LMDB
import TestSupport
import Testing

@Suite("An environment's file")
struct EnvironmentFileTests {
    let directory: TemporaryFolder

    init() throws { directory = try TemporaryFolder() }

    /// An environment of a hundred keys, closed again.
    private func makeStore() throws {
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        let database = try environment.database("values", createIfMissing: true)
        try environment.write { transaction in
            for index in 0..<100 {
                try transaction.put([UInt8](repeating: 1, count: 1000), for: [UInt8(index)], in: database)
            }
        }
    }

    private func openingError(_ mode: Environment.Mode) throws -> LMDBError? {
        #expect(throws: LMDBError.self) { try Environment.open(directory.file("store"), mode: mode) }
    }

    private func changeData(_ change: (inout Data) -> Void) throws {
        let url = URL(fileURLWithPath: directory.file("store/data.mdb"))
        var data = try Data(contentsOf: url)
        change(&data)
        try data.write(to: url)
    }

    @Test("must be there to be read")
    func missing() throws {
        #expect(try openingError(.readOnly)?.code == .notFound)
        try directory.makeFolder("store")
        #expect(try openingError(.readOnly)?.code == .notFound)
        #expect(FileManager.default.createFile(atPath: directory.file("store/data.mdb"), contents: nil))
        #expect(try openingError(.readOnly)?.code == .notFound)
        #expect(throws: Never.self) { try Environment.open(directory.file("store"), mode: .readWrite) }
    }

    @Test("lies in a directory, not where a file is")
    func notADirectory() throws {
        #expect(FileManager.default.createFile(atPath: directory.file("store"), contents: nil))
        let error = try openingError(.readWrite)
        #expect(error?.message.contains(directory.file("store")) == true)
        #expect(error?.message.contains("Not a directory") == true)
    }

    @Test("that is something else is refused", arguments: [1, 44, 5000, 100_000])
    func garbage(count: Int) throws {
        try directory.makeFolder("store")
        let contents = Data((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) })
        try contents.write(to: URL(fileURLWithPath: directory.file("store/data.mdb")))
        #expect(try openingError(.readOnly)?.code == .notAnEnvironment)
        #expect(try openingError(.readWrite)?.code == .notAnEnvironment)
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.file("store/data.mdb"))) == contents)
    }

    @Test("of another format version is refused")
    func version() throws {
        try makeStore()
        try changeData { data in
            for page in [0, 4096] { data[page + 20] = 9 }
        }
        #expect(try openingError(.readOnly)?.code == .versionMismatch)
    }

    @Test("that was cut short is refused, not read", arguments: [8192, 12288, 40960])
    func truncated(length: Int) throws {
        try makeStore()
        try changeData { $0 = $0.prefix(length) }
        #expect(try openingError(.readOnly)?.code == .corrupted)
        #expect(try openingError(.readWrite)?.code == .corrupted)
    }

    @Test("stays as long as its header says when pages at its end were given back")
    func length() throws {
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        let database = try environment.database("values", createIfMissing: true)
        // Pages that earlier commits gave back are what makes LMDB drop those of the last one unwritten.
        for round in 0..<4 {
            try environment.write { transaction in
                try transaction.put([UInt8](repeating: 1, count: 1 << 16), for: [1], in: database)
                try transaction.delete([1], in: database)
                try transaction.put([UInt8](repeating: 1, count: 1 << 14), for: [2], in: database)
                try transaction.put([UInt8](repeating: 1, count: 1 << (18 + round)), for: [3], in: database)
                try transaction.delete([3], in: database)
            }
        }
        let copy = try directory.makeFolder("copy")
        try FileManager.default.copyItem(atPath: directory.file("store/data.mdb"), toPath: copy + "/data.mdb")
        #expect(throws: Never.self) { try Environment.open(copy, mode: .readOnly) }
    }

    @Test("is copied compactly to a path that does not exist")
    func copy() throws {
        try makeStore()
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        let database = try environment.database("values", createIfMissing: false)
        try environment.write { transaction in
            for index in 10..<100 { try transaction.delete([UInt8(index)], in: database) }
        }
        try environment.copy(to: directory.file("copy/"))
        let copy = try Environment.open(directory.file("copy"), mode: .readOnly)
        let copied = try copy.database("values", createIfMissing: false)
        #expect(try copy.count(in: copied) == 10)
        let sizes = try ["store", "copy"].map { name in
            try #require(
                FileManager.default.attributesOfItem(atPath: directory.file(name + "/data.mdb"))[.size]
                    as? Int)
        }
        #expect(sizes[1] < sizes[0])

        let error = #expect(throws: LMDBError.self) { try environment.copy(to: directory.file("copy")) }
        #expect(error?.code == .alreadyExists)
        let nowhere = #expect(throws: LMDBError.self) {
            try environment.copy(to: directory.file("no/such/copy"))
        }
        #expect(nowhere?.code == .notFound)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() == ["copy", "store"])
    }

    @Test("that the user may not touch gives an error that says so")
    func permissions() async throws {
        try makeStore()
        #expect(chmod(directory.path, 0o755) == 0)
        #expect(chmod(directory.file("store"), 0o555) == 0)
        #expect(chmod(directory.file("store/lock.mdb"), 0o444) == 0)
        try directory.makeFolder("secret")
        try FileManager.default.copyItem(
            atPath: directory.file("store/data.mdb"), toPath: directory.file("secret/data.mdb"))
        #expect(chmod(directory.file("secret/data.mdb"), 0o600) == 0)
        let attempts = [
            (directory.file("store"), Environment.Mode.readOnly), (directory.file("store"), .readWrite),
            (directory.file("secret"), .readOnly), (directory.file("other"), .readWrite),
        ]
        // The tests may run as root, who may touch everything; a thread can give that up for itself alone, by a
        // function that Glibc's module does not declare.
        let symbol = try #require(dlsym(nil, "setfsuid"))
        let setFileSystemUser = unsafeBitCast(symbol, to: (@convention(c) (UInt32) -> Int32).self)
        let codes = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                _ = setFileSystemUser(65534)
                continuation.resume(
                    returning: attempts.map { path, mode -> LMDBError.Code? in
                        do throws(LMDBError) {
                            _ = try Environment.open(path, mode: mode)
                            return nil
                        } catch {
                            return error.code
                        }
                    })
            }
        }
        // Without permission to write, the store is read all the same.
        #expect(codes == [nil, .permissionDenied, .permissionDenied, .permissionDenied])
        #expect(chmod(directory.file("store"), 0o755) == 0)
    }
}
