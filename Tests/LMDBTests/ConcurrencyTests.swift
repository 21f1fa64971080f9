import Foundation
import LMDB
import TestSupport
import Testing

@Suite("An environment among threads")
struct ConcurrencyTests {
    let directory: TemporaryFolder

    init() throws { directory = try TemporaryFolder() }

    @Test("shows readers only whole commits while it is written and grows")
    func wholeCommits() throws {
        let environment = try Environment.open(
            directory.file("store"), mode: .readWrite, initialSize: 1 << 18)
        let database = try environment.database("values", createIfMissing: true)
        let commits = 40
        let done = Shared(false)
        let failures = failures(threads: 6) { thread in
            if thread == 0 {
                defer { done.withLock { $0 = true } }
                for round in 1...commits {
                    try environment.write { transaction in
                        let value = [UInt8](repeating: UInt8(round), count: 1 << 15)
                        for key in 0..<4 { try transaction.put(value, for: [UInt8(key)], in: database) }
                        try transaction.put(value, for: [9, UInt8(round)], in: database)
                    }
                }
                return []
            }
            repeat {
                let seen = try environment.read { transaction in
                    try (0..<4).map { key in
                        try transaction.withValue(of: [UInt8(key)], in: database) {
                            $0.unsafeLoad(as: UInt8.self)
                        }
                    }
                }
                if Set(seen).count != 1 { return ["saw \(seen)"] }
            } while !done.withLock { $0 }
            return []
        }
        #expect(failures == [])
        #expect(try environment.count(in: database) == 4 + commits)
    }

    @Test("loses no write of many threads")
    func manyWriters() throws {
        let environment = try Environment.open(
            directory.file("store"), mode: .readWrite, initialSize: 1 << 18)
        let database = try environment.database("values", createIfMissing: true)
        let failures = failures(threads: 8) { _ in
            for _ in 0..<20 {
                try environment.write { transaction in
                    let count = try transaction.value(of: [0], in: database)?.first ?? 0
                    try transaction.put([count + 1], for: [0], in: database)
                }
            }
            return []
        }
        #expect(failures == [])
        #expect(try environment.value(of: [0], in: database) == [160])
    }

    @Test("opens and closes from many threads at once, always as one")
    func openAndClose() throws {
        let directory = directory
        let failures = failures(threads: 8) { thread in
            for _ in 0..<25 {
                let environment = try Environment.open(directory.file("store"), mode: .readWrite)
                let database = try environment.database("values", createIfMissing: true)
                let again = try Environment.open(directory.file("store"), mode: .readOnly)
                guard environment === again else { return ["two environments"] }
                try environment.write { try $0.put([1], for: [UInt8(thread)], in: database) }
            }
            return []
        }
        #expect(failures == [])
        let environment = try Environment.open(directory.file("store"), mode: .readOnly)
        let database = try environment.database("values", createIfMissing: false)
        #expect(try environment.count(in: database) == 8)
    }

    @Test("is empty to every thread until a database can be opened by it")
    func emptiness() throws {
        let environment = try Environment.open(directory.file("store"), mode: .readWrite)
        let failures = failures(threads: 4) { thread in
            if thread == 0 { _ = try environment.database("values", createIfMissing: true) }
            while try environment.isEmpty() {}
            _ = try environment.database("values", createIfMissing: false)
            return []
        }
        #expect(failures == [])
    }
}
