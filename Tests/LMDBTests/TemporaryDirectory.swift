import Foundation
import LMDB
import Synchronization

/// A directory of a test's own, removed when the test has ended.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/lmdb-tests-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension Environment {
    /// A key's value, in a transaction of its own.
    func value(of key: [UInt8], in database: Database) throws -> [UInt8]? {
        try read { try $0.value(of: key, in: database) }
    }

    /// The number of keys, in a transaction of its own.
    func count(in database: Database) throws -> Int {
        try read { try $0.count(in: database) }
    }
}

/// Repeatable noise (SplitMix64).
struct Noise: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// Runs `body` on so many threads at once and returns what they threw or said.
func failures(threads: Int, _ body: @escaping @Sendable (Int) throws -> [String]) -> [String] {
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

/// A mutex that closures may share.
final class Mutexed<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: Value) { mutex = Mutex(value) }

    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        mutex.withLock { value in body(&value) }
    }
}
