import PromptStore
import TestSupport
import Testing

@Suite("An alias")
struct AliasTests {
    let directory: TemporaryFolder
    let store: PromptStore

    init() throws {
        directory = try TemporaryFolder()
        store = try PromptStore(path: directory.file("store"), mode: .readWrite)
        for seed in 1...3 as ClosedRange<UInt64> { try store.publish(publication("spam", seed: seed)) }
        try store.publish(publication("ham", seed: 9))
        try store.publish(publication("other", core: coreB))
    }

    private func target(_ reference: String) throws -> AliasTarget {
        let id = try #require(try store.task(reference)).id
        return .version(id)
    }

    @Test("stands for the version published last; a version stands for itself")
    func publishing() throws {
        #expect(try store.task("spam")?.id.description == "spam@3")
        #expect(try store.task("spam@1")?.id.description == "spam@1")
        #expect(code { _ = try store.resolve("spam@4") } == .notFound)
        #expect(code { _ = try store.resolve("eggs") } == .notFound)
    }

    @Test("is rolled back step by step, and forward by being set")
    func rollback() throws {
        #expect(try store.rollback("spam").target.description == "spam@2")
        #expect(try store.rollback("spam").target.description == "spam@1")
        #expect(code { try store.rollback("spam") } == .nothingToRollBack)
        #expect(try store.task("spam")?.version == 1)
        try store.setAlias("spam", to: target("spam@3"))
        #expect(try store.rollback("spam").target.description == "spam@1")
        #expect(code { try store.rollback("eggs") } == .notFound)
    }

    @Test("set to where it stands is left alone")
    func unchanged() throws {
        let before = try store.alias("spam")
        #expect(try store.setAlias("spam", to: target("spam@3")) == before)
        #expect(try store.alias("spam") == before)
    }

    @Test("may stand for another task's version")
    func foreign() throws {
        try store.setAlias("production", to: target("spam@2"))
        #expect(try store.task("production")?.id.description == "spam@2")
        #expect(
            code { try store.setAlias("p", to: .version(TaskVersion(name: "spam", version: 9))) } == .notFound
        )
        #expect(code { try store.setAlias("Q", to: target("spam@2")) } == .invalidName)
    }

    @Test("may stand for an ensemble")
    func ensemble() throws {
        let members = [TaskVersion(name: "spam", version: 1), TaskVersion(name: "ham", version: 1)]
        try store.setAlias("both", to: .ensemble(members: members, combine: .majority))
        guard case .ensemble(let ensemble) = try store.resolve("both", core: coreA) else {
            Issue.record("not an ensemble")
            return
        }
        #expect(ensemble.name == "both")
        #expect(ensemble.members.map(\.id) == members)
        #expect(ensemble.combine == .majority)
        #expect(code { _ = try store.resolve("both", core: coreB) } == .coreMismatch)
        #expect(try store.alias("both").target.description == "majority of spam@1, ham@1")

        try store.setAlias("both", to: .ensemble(members: members, combine: .mean))
        try store.rollback("both")
        #expect(try store.alias("both").target == .ensemble(members: members, combine: .majority))
    }

    @Test("of an ensemble whose members do not go together is refused")
    func wrongEnsemble() throws {
        func refusal(_ members: [(String, Int)]) -> PromptStoreError.Code? {
            code {
                try store.setAlias(
                    "both",
                    to: .ensemble(
                        members: members.map { TaskVersion(name: $0.0, version: $0.1) }, combine: .mean))
            }
        }
        #expect(refusal([]) == .invalidEnsemble)
        #expect(refusal([("spam", 1)]) == .invalidEnsemble)
        #expect(refusal([("spam", 1), ("spam", 1)]) == .invalidEnsemble)
        #expect(refusal([("spam", 1), ("other", 1)]) == .invalidEnsemble)
        #expect(refusal([("spam", 1), ("ham", 2)]) == .notFound)
        #expect(code { _ = try store.resolve("both") } == .notFound)
    }

    @Test(
        "of a task that is published again stands for the new version, and can be rolled back to the ensemble"
    )
    func publishOverEnsemble() throws {
        let ensemble = AliasTarget.ensemble(
            members: [TaskVersion(name: "spam", version: 1), TaskVersion(name: "spam", version: 2)],
            combine: .mean)
        try store.setAlias("spam", to: ensemble)
        #expect(try store.publish(publication("spam", seed: 3)).id.version == 4)
        #expect(try store.rollback("spam").target == ensemble)
    }

    @Test("keeps the last targets only")
    func boundedHistory() throws {
        for seed in 10..<60 as Range<UInt64> { try store.publish(publication("spam", seed: seed)) }
        #expect(try store.alias("spam").history.count == Alias.maximumHistory)
        #expect(try store.rollback("spam").target.description == "spam@52")
    }

    @Test(
        "is not resolved by what is not a reference",
        arguments: [
            "", "@", "spam@", "@1", "spam@0", "spam@01", "spam@-1", "spam@+1", "spam@1@1", "spam@x", "Spam",
            "spam@99999999999999999999",
        ])
    func references(text: String) {
        #expect(code { _ = try store.resolve(text) } == .invalidReference)
    }

    @Test("is refused on another core than its prompt's, naming both")
    func cores() throws {
        #expect(throws: Never.self) { try store.resolve("spam", core: coreA) }
        let error = #expect(throws: PromptStoreError.self) { try store.resolve("spam", core: coreB) }
        #expect(error?.code == .coreMismatch)
        #expect(error?.message.contains(coreA) == true)
        #expect(error?.message.contains(coreB) == true)
        #expect(error?.message.contains("spam@3") == true)
    }
}
