import Foundation
import PromptStore
import TestSupport
import Testing

@Suite("A store among threads")
struct SharingTests {
    let directory: TemporaryFolder
    let store: PromptStore

    init() throws {
        directory = try TemporaryFolder()
        store = try PromptStore(path: directory.file("store"), mode: .readWrite)
    }

    @Test("gives every writer a version of its own")
    func writers() throws {
        let store = store
        let path = directory.file("store")
        let failures = failures(threads: 8) { thread in
            let other = try PromptStore(path: path, mode: .readWrite)
            for round in 0..<10 {
                try (round.isMultiple(of: 2) ? store : other).publish(
                    publication("spam", seed: UInt64(thread * 100 + round)))
            }
            return []
        }
        #expect(failures == [])
        #expect(try store.versions(of: "spam").map(\.version) == Array(1...80))
        #expect(try store.verify().problems == [])
    }

    @Test("shows readers a whole version while others are published, rolled back and removed")
    func readersAndWriters() throws {
        struct Mismatch: Error {}
        let store = store
        let done = Shared(false)
        // The prompt of each version says in its template which seed it was made from.
        @Sendable func publish(_ seed: UInt64) throws {
            try store.publish(publication("spam", seed: seed, template: "\(seed) {input}"))
        }
        try publish(0)
        let failures = failures(threads: 5) { thread in
            if thread == 0 {
                defer { done.withLock { $0 = true } }
                for seed in 1...60 as ClosedRange<UInt64> {
                    try publish(seed)
                    if seed.isMultiple(of: 3) { try store.rollback("spam") }
                    if seed.isMultiple(of: 7) { try store.remove("spam@\(seed)") }
                    if seed.isMultiple(of: 10) { try store.collectGarbage() }
                }
                return []
            }
            repeat {
                guard let manifest = try store.task("spam") else { throw Mismatch() }
                let prompt: SoftPrompt
                do throws(PromptStoreError) {
                    prompt = try store.prompt(for: manifest)
                } catch {
                    // Removed and collected since it was resolved.
                    guard error.code == .corrupted,
                        code({ _ = try store.resolve("\(manifest.id)") }) == .notFound
                    else { throw error }
                    continue
                }
                let seed = manifest.definition["template"]?.string.flatMap { UInt64($0.prefix { $0 != " " }) }
                guard let seed, try prompt == publication("spam", seed: seed).frame.decode() else {
                    throw Mismatch()
                }
            } while !done.withLock { $0 }
            return []
        }
        #expect(failures == [])
        #expect(try store.verify().problems == [])
    }

    @Test("keeps decoded prompts up to its bound, those used last")
    func residency() throws {
        let size = 2 * 3 * 4
        let store = try PromptStore(
            path: directory.file("bounded"), mode: .readWrite, residentBytes: 3 * size)
        for seed in 0..<5 as Range<UInt64> { try store.publish(publication("t\(seed)", seed: seed)) }
        try store.publish(publication("twin", seed: 4))
        func use(_ name: String) throws {
            _ = try store.prompt(for: #require(try store.task(name)))
        }
        func residency() -> [Int] {
            let now = store.residency
            return [now.count, now.cost, now.hits, now.misses]
        }
        for name in ["t0", "t1", "t2", "t0", "t3"] { try use(name) }
        #expect(residency() == [3, 3 * size, 1, 4])
        try use("t0")
        #expect(store.residency.hits == 2)
        try use("t1")
        #expect(residency() == [3, 3 * size, 2, 5])
        try use("t4")
        try use("twin")
        #expect(residency() == [3, 3 * size, 3, 6])

        let none = try PromptStore(path: directory.file("bounded"), mode: .readOnly, residentBytes: 0)
        _ = try none.prompt(for: #require(try none.task("t0")))
        #expect(none.residency.count == 0)
    }
}
