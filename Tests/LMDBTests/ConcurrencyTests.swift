import Foundation
import LMDB
import Synchronization
import Testing

@Suite("An environment among threads")
struct ConcurrencyTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Runs `body` on so many threads at once and returns what they threw or said.
    private func failures(
        threads: Int, _ body: @escaping @Sendable (Int) throws -> [String]
    ) -> [String] {
        let failures = Mutexed<[String]>([])
        let group = DispatchGroup()
        for thread in 0..<threads {
            group.enter()
            Thread.detachNewThread {
                do {
                    let said = try body(thread)
                    failures.withLock { $0 += said }
                } catch {
                    failures.withLock { $0.append("\(error)") }
                }
                group.leave()
            }
        }
        group.wait()
        return failures.withLock { $0 }
    }

    @Test("shows readers only whole commits while it is written and grows")
    func wholeCommits() throws {
        let environment = try Environment.open(directory("store"), mode: .readWrite, initialSize: 1 << 18)
        let database = try environment.database("values", createIfMissing: true)
        let commits = 40
        let done = Mutexed(false)
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
        let environment = try Environment.open(directory("store"), mode: .readWrite, initialSize: 1 << 18)
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
                let environment = try Environment.open(directory("store"), mode: .readWrite)
                let database = try environment.database("values", createIfMissing: true)
                let again = try Environment.open(directory("store"), mode: .readOnly)
                guard environment === again else { return ["two environments"] }
                try environment.write { try $0.put([1], for: [UInt8(thread)], in: database) }
            }
            return []
        }
        #expect(failures == [])
        let environment = try Environment.open(directory("store"), mode: .readOnly)
        let database = try environment.database("values", createIfMissing: false)
        #expect(try environment.count(in: database) == 8)
    }
}

/// A mutex that closures may share.
private final class Mutexed<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: Value) { mutex = Mutex(value) }

    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        mutex.withLock { value in body(&value) }
    }
}
