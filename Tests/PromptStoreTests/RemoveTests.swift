import PromptStore
import TestSupport
import Testing

@Suite("Removing")
struct RemoveTests {
    let directory: TemporaryFolder
    let store: PromptStore

    init() throws {
        directory = try TemporaryFolder()
        store = try PromptStore(path: directory.file("store"), mode: .readWrite)
        for seed in 1...3 as ClosedRange<UInt64> { try store.publish(publication("spam", seed: seed)) }
        try store.publish(publication("ham", seed: 9))
    }

    private func version(_ name: String, _ version: Int) -> TaskVersion {
        TaskVersion(name: name, version: version)
    }

    @Test("a version leaves the others, and is noticed though it was used before")
    func oneVersion() throws {
        let manifest = try #require(try store.task("spam@2"))
        _ = try store.prompt(for: manifest)
        #expect(try store.remove("spam@2") == [version("spam", 2)])
        #expect(code { _ = try store.resolve("spam@2") } == .notFound)
        #expect(try store.versions(of: "spam").map(\.version) == [1, 3])
        #expect(code { try store.remove("spam@2") } == .notFound)
        #expect(try store.rollback("spam").target == .version(version("spam", 1)))
    }

    @Test("the present version goes back to the one before")
    func presentVersion() throws {
        try store.remove("spam@3")
        #expect(try store.task("spam")?.version == 2)
        try store.remove("spam@1")
        try store.remove("spam@2")
        #expect(code { _ = try store.resolve("spam") } == .notFound)
        #expect(try store.targets() == ["ham = ham@1"])
        #expect(try store.verify().problems == [])
    }

    @Test("the present version without an earlier one goes to the highest left")
    func noHistory() throws {
        try store.rollback("spam")
        try store.rollback("spam")
        try store.remove("spam@1")
        #expect(try store.task("spam")?.version == 3)
    }

    @Test("a name removes all of it; its version numbers are not given again")
    func wholeName() throws {
        #expect(try store.remove("spam").map(\.version) == [1, 2, 3])
        #expect(code { _ = try store.resolve("spam") } == .notFound)
        #expect(code { try store.remove("spam") } == .notFound)
        #expect(try store.publish(publication("spam")).id.version == 4)
        try store.remove("spam@4")
        #expect(try store.publish(publication("spam")).id.version == 5)
    }

    @Test("is refused while another alias or ensemble stands for it, which the error names")
    func inUse() throws {
        try store.setAlias("production", to: .version(version("spam", 1)))
        try store.setAlias(
            "both", to: .ensemble(members: [version("spam", 2), version("ham", 1)], combine: .mean))
        for (reference, alias) in [("spam@1", "production"), ("spam@2", "both"), ("ham", "both")] {
            let error = #expect(throws: PromptStoreError.self) { try store.remove(reference) }
            #expect(error?.code == .inUse)
            #expect(error?.message.contains("\"\(alias)\"") == true)
        }
        #expect(code { try store.remove("spam") } == .inUse)
        #expect(try store.versions(of: "spam").count == 3)
        #expect(try store.remove("both") == [])
        #expect(try store.remove("production") == [])
        #expect(try store.remove("spam").count == 3)
    }

    @Test("is not hindered by an alias that has moved on")
    func movedOn() throws {
        try store.setAlias("production", to: .version(version("spam", 1)))
        try store.setAlias("production", to: .version(version("ham", 1)))
        try store.remove("spam@1")
        #expect(code { try store.rollback("production") } == .nothingToRollBack)
        #expect(try store.task("production")?.name == "ham")
    }

    @Test("a name that begins like another leaves the other")
    func prefixes() throws {
        for name in ["spam-2", "spa", "spam.x"] { try store.publish(publication(name)) }
        try store.remove("spam")
        #expect(
            try store.targets() == ["ham = ham@1", "spa = spa@1", "spam-2 = spam-2@1", "spam.x = spam.x@1"])
        #expect(try store.versions(of: "spam-2").count == 1)
    }

    @Test("leaves frames to the collection, which keeps what is named")
    func garbage() throws {
        try store.publish(publication("twin", seed: 3))
        try store.publish(publication("other", seed: 20, core: coreB))
        #expect(try store.verify().frames == 5)
        #expect(try store.collectGarbage().frames == 0)
        try store.remove("spam")
        try store.remove("other")
        let collected = try store.collectGarbage()
        #expect(collected.frames == 3)
        let expected = try [1, 2, 20].map { try publication("x", seed: $0).frame.bytes.count }
        #expect(collected.bytes == expected.reduce(0, +))
        #expect(try store.cores() == [coreA])
        let verification = try store.verify()
        #expect(verification.frames == 2)
        #expect(verification.problems == [])
        let twin = try #require(try store.task("twin"))
        #expect(try store.prompt(for: twin) == publication("x", seed: 3).frame.decode())
    }
}
