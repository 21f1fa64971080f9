import Foundation
import LMDB
import TestSupport
import Testing

@Suite("An environment")
struct EnvironmentTests {
    let directory: TemporaryFolder

    init() throws { directory = try TemporaryFolder() }

    @Test("keeps what was committed, over a reopening")
    func persistence() throws {
        do {
            let environment = try Environment.open(directory.file("a/b/store"), mode: .readWrite)
            let database = try environment.database("words", createIfMissing: true)
            try environment.write { try $0.put(bytes("eins"), for: bytes("one"), in: database) }
        }
        let environment = try Environment.open(directory.file("a/b/store"), mode: .readOnly)
        let database = try environment.database("words", createIfMissing: false)
        #expect(try environment.value(of: bytes("one"), in: database) == bytes("eins"))
        #expect(try environment.value(of: bytes("two"), in: database) == nil)
        #expect(try environment.count(in: database) == 1)
        let length = try environment.read { transaction in
            try transaction.withValue(of: bytes("one"), in: database) { $0.byteCount }
        }
        #expect(length == 4)
    }

    @Test("leaves everything as it was when a write throws")
    func rollback() throws {
        struct Refusal: Error {}
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        let database = try environment.database("words", createIfMissing: true)
        try environment.write { try $0.put(bytes("eins"), for: bytes("one"), in: database) }
        #expect(throws: Refusal.self) {
            try environment.write { transaction in
                try transaction.put(bytes("uno"), for: bytes("one"), in: database)
                try transaction.put(bytes("due"), for: bytes("two"), in: database)
                throw Refusal()
            }
        }
        #expect(try environment.value(of: bytes("one"), in: database) == bytes("eins"))
        #expect(try environment.count(in: database) == 1)
    }

    @Test("deletes a key once")
    func deletion() throws {
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        let database = try environment.database("words", createIfMissing: true)
        try environment.write { try $0.put([], for: bytes("one"), in: database) }
        #expect(try environment.value(of: bytes("one"), in: database) == [])
        let deleted = try environment.write { transaction in
            [
                try transaction.delete(bytes("one"), in: database),
                try transaction.delete(bytes("one"), in: database),
            ]
        }
        #expect(deleted == [true, false])
    }

    @Test("grows as data comes, running the write again from the start")
    func growth() throws {
        let environment = try Environment.open(
            directory.file("store"), mode: .readWrite, initialSize: 1 << 18)
        let database = try environment.database("values", createIfMissing: true)
        var runs = 0
        try environment.write { transaction in
            runs += 1
            for index in 0..<64 {
                try transaction.put(
                    [UInt8](repeating: UInt8(index), count: 1 << 16), for: [UInt8(index)], in: database)
            }
        }
        #expect(runs > 1)
        #expect(try environment.count(in: database) == 64)
        #expect(try environment.value(of: [63], in: database) == [UInt8](repeating: 63, count: 1 << 16))
    }

    @Test("stops at its maximum size with nothing changed")
    func maximum() throws {
        let environment = try Environment.open(
            directory.file("store"), mode: .readWrite, initialSize: 1 << 18, maximumSize: 1 << 20)
        let database = try environment.database("values", createIfMissing: true)
        try environment.write { try $0.put([1], for: [255], in: database) }
        let error = #expect(throws: LMDBError.self) {
            try environment.write { transaction in
                for index in 0..<64 {
                    try transaction.put(
                        [UInt8](repeating: 7, count: 1 << 16), for: [UInt8(index)], in: database)
                }
            }
        }
        #expect(error?.code == .mapFull)
        #expect(error?.message.contains(directory.file("store")) == true)
        #expect(try environment.count(in: database) == 1)
        try environment.write { try $0.put([2], for: [254], in: database) }
        #expect(try environment.count(in: database) == 2)
    }

    @Test("is one object a file, however the file is reached")
    func registry() throws {
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        try FileManager.default.createSymbolicLink(
            atPath: directory.file("link"), withDestinationPath: directory.file("store"))
        #expect(try Environment.open(directory.file("link"), mode: .readWrite) === environment)
        #expect(try Environment.open(directory.file("./store"), mode: .readOnly) === environment)
    }

    @Test("of another directory at the same path is another one")
    func replacedDirectory() throws {
        let first = try Environment.open(directory.file("store"), mode: .readWrite)
        _ = try first.database("words", createIfMissing: true)
        try FileManager.default.removeItem(atPath: directory.file("store"))
        let second = try Environment.open(directory.file("store"), mode: .readWrite)
        #expect(first !== second)
        #expect(try second.isEmpty())
        #expect(try !first.isEmpty())
    }

    @Test("open for reading only cannot be opened for writing beside it")
    func readOnlyFirst() throws {
        _ = try Environment.open(directory.file("store"), mode: .readWrite)
            .database("words", createIfMissing: true)
        do {
            let reader = try Environment.open(directory.file("store"), mode: .readOnly)
            #expect(throws: LMDBError.self) {
                try Environment.open(directory.file("store"), mode: .readWrite)
            }
            let error = #expect(throws: LMDBError.self) { try reader.write { _ in } }
            #expect(error?.code == .readOnly)
            let missing = #expect(throws: LMDBError.self) {
                try reader.database("nothing", createIfMissing: false)
            }
            #expect(missing?.code == .databaseMissing)
            let unwritable = #expect(throws: LMDBError.self) {
                try reader.database("nothing", createIfMissing: true)
            }
            #expect(unwritable?.code == .readOnly)
        }
        #expect(throws: Never.self) { try Environment.open(directory.file("store"), mode: .readWrite) }
    }

    @Test("refuses a transaction inside a transaction")
    func nesting() throws {
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        for outer in [false, true] {
            for inner in [false, true] {
                func run(_ writing: Bool, _ body: () throws -> Void) throws {
                    if writing {
                        try environment.write { _ in try body() }
                    } else {
                        try environment.read { _ in try body() }
                    }
                }
                let error = #expect(throws: LMDBError.self) { try run(outer) { try run(inner) {} } }
                #expect(error?.code == .nestedTransaction)
            }
        }
        #expect(throws: Never.self) { try environment.write { _ in } }
    }

    @Test("refuses another environment's database")
    func foreignDatabase() throws {
        let first = try Environment.open(directory.file("first"), mode: .readWrite)
        let second = try Environment.open(directory.file("second"), mode: .readWrite)
        let database = try first.database("words", createIfMissing: true)
        let error = #expect(throws: LMDBError.self) {
            try second.write { try $0.put([1], for: [1], in: database) }
        }
        #expect(error?.code == .wrongEnvironment)
    }

    @Test("refuses keys that LMDB cannot hold", arguments: [0, 512])
    func keyLength(count: Int) throws {
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        let database = try environment.database("words", createIfMissing: true)
        let error = #expect(throws: LMDBError.self) {
            try environment.write { try $0.put([1], for: [UInt8](repeating: 1, count: count), in: database) }
        }
        #expect(error?.code == .invalidKey)
    }
}
