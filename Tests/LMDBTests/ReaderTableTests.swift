import Foundation
import LMDB
import TestSupport
import Testing

@Suite("The table of readers")
struct ReaderTableTests {
    private static let slots = 1022

    let directory: TemporaryFolder
    let environment: Environment
    let database: Database

    init() throws {
        directory = try TemporaryFolder()
        environment = try Environment.open(directory.file("store"), mode: .readWrite)
        database = try environment.database("values", createIfMissing: true)
        try environment.write { [database] in try $0.put([1], for: [1], in: database) }
    }

    @Test("that is full is an error that says so, and lasts no longer than the readers")
    func full() throws {
        let (environment, database) = (environment, database)
        let inside = Shared(0)
        let refused = Shared<[LMDBError]>([])
        let failures = failures(threads: Self.slots + 20) { _ in
            do {
                try environment.read { _ in
                    inside.withLock { $0 += 1 }
                    // Until every slot is taken and all others have been refused.
                    while inside.withLock({ $0 }) + refused.withLock({ $0.count }) < Self.slots + 20 {
                        usleep(1000)
                    }
                }
            } catch let error as LMDBError {
                refused.withLock { $0.append(error) }
            }
            return []
        }
        #expect(failures == [])
        #expect(refused.withLock { $0.count } == 20)
        #expect(refused.withLock { $0.allSatisfy { $0.message.contains("too many read transactions") } })
        #expect(try environment.value(of: [1], in: database) == [1])
        try environment.write { try $0.put([2], for: [1], in: database) }
    }

    @Test("forgets processes that were killed")
    func stale() throws {
        // As a process leaves it that was killed with all its readers inside. The header is 128 bytes long and has the
        // number of slots in use at 56; a slot of 64 bytes has a transaction, a process and a thread.
        let file = try #require(FileHandle(forUpdatingAtPath: directory.file("store/lock.mdb")))
        let slot =
            UInt64(1).littleEndianBytes + UInt64(0x3FFF_FFFF).littleEndianBytes + UInt64(1).littleEndianBytes
            + [UInt8](repeating: 0, count: 40)
        try file.seek(toOffset: 128)
        try file.write(contentsOf: (0..<Self.slots).flatMap { _ in slot })
        try file.seek(toOffset: 56)
        try file.write(contentsOf: UInt32(Self.slots).littleEndianBytes)
        #expect(try environment.value(of: [1], in: database) == [1])
        try file.seek(toOffset: 128)
        #expect(try file.read(upToCount: 64)?.elementsEqual(slot) == false)
    }
}
