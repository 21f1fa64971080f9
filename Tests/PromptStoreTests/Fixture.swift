import Foundation
import JSON
import PromptStore

/// A directory of a test's own, removed when the test has ended.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/prompt-store-tests-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }
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

    mutating func prompt(_ rows: Int, _ width: Int) throws -> SoftPrompt {
        try SoftPrompt(
            rows: rows, width: width,
            values: (0..<rows * width).map { _ in Float.random(in: -2...2, using: &self) })
    }
}

/// Fingerprints of two cores.
let coreA = String(repeating: "a", count: 64)
let coreB = String(repeating: "b", count: 64)

/// A small publication; equal arguments make equal ones.
func publication(
    _ name: String, seed: UInt64 = 1, core: String = coreA, template: String = "{input}"
) throws -> Publication {
    var noise = Noise(seed: seed)
    return Publication(
        name: name, frame: try PromptFrame(noise.prompt(2, 3), as: .bfloat16), coreFingerprint: core,
        definition: JSONObject([("name", .string(name)), ("template", .string(template))]))
}

extension PromptStore {
    /// The one task that a reference stands for.
    func task(_ reference: String) throws -> PromptManifest? {
        if case .task(let manifest) = try resolve(reference) { manifest } else { nil }
    }

    /// The references of every name's target, in order.
    func targets() throws -> [String] {
        var targets: [String] = []
        try forEachTask { targets.append("\($0.alias.name) = \($0.alias.target)") }
        return targets
    }
}

/// The code of the error that `body` throws, `nil` when it throws none.
func code(_ body: () throws -> Void) -> PromptStoreError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? PromptStoreError)?.code
    }
}

/// A value that threads share.
final class Shared<Value: Sendable>: @unchecked Sendable {
    // Every access is made while holding the lock.
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) { self.value = value }

    func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        lock.withLock { body(&value) }
    }
}

/// Runs `body` on so many threads at once and returns what they threw.
func failures(threads: Int, _ body: @escaping @Sendable (Int) throws -> Void) -> [String] {
    let failures = Shared<[String]>([])
    let group = DispatchGroup()
    for thread in 0..<threads {
        group.enter()
        Thread.detachNewThread {
            do {
                try body(thread)
            } catch {
                failures.withLock { $0.append("\(error)") }
            }
            group.leave()
        }
    }
    group.wait()
    return failures.withLock { $0 }
}
