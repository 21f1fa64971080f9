import JSON
import PromptStore
import TestSupport
import Testing

@Suite("Publishing")
struct PublishTests {
    let directory: TemporaryFolder
    let store: PromptStore

    init() throws {
        directory = try TemporaryFolder()
        store = try PromptStore(path: directory.file("store"), mode: .readWrite)
    }

    @Test("keeps all that was said, over a reopening")
    func manifest() throws {
        var noise = SeededGenerator(state: 2)
        let prompt = try noise.prompt(20, 64)
        let definition = JSONObject([
            ("template", "{input}"), ("name", "spam"), ("labels", [["text": "ja", "label": "ö\n"]]),
            ("weight", .number(try #require(JSONNumber(0.1)))),
        ])
        var publication = Publication(
            name: "spam", frame: try PromptFrame(prompt, as: .float16), coreFingerprint: coreA,
            tokenizerHash: coreB, definition: definition, provenance: JSONObject([("seed", 7)]))
        #expect(try store.publish(publication).id.description == "spam@1")
        publication.provenance["seed"] = 8
        #expect(try store.publish(publication).id.description == "spam@2")

        let reopened = try PromptStore(path: directory.file("store"), mode: .readOnly)
        let manifest = try #require(try reopened.task("spam"))
        #expect(manifest.id == TaskVersion(name: "spam", version: 2))
        #expect((manifest.rows, manifest.width, manifest.elementType) == (20, 64, .float16))
        #expect((manifest.coreFingerprint, manifest.tokenizerHash) == (coreA, coreB))
        #expect(manifest.definition.keys == ["labels", "name", "template", "weight"])
        for key in definition.keys where key != "labels" {
            #expect(manifest.definition[key] == definition[key])
        }
        #expect(manifest.definition["labels"]?.array?.first?.object?["label"] == "ö\n")
        #expect(manifest.provenance["seed"] == 8)
        #expect(manifest.createdAt > 1_700_000_000)
        #expect(try reopened.prompt(for: manifest) == publication.frame.decode())
        #expect(try reopened.frame(for: manifest) == publication.frame)
        #expect(try reopened.versions(of: "spam").map(\.version) == [1, 2])
    }

    @Test("the same again gives the same version, whatever the order of keys")
    func idempotent() throws {
        let first = try store.publish(publication("spam"))
        var again = try publication("spam")
        again.definition = JSONObject([("template", "{input}"), ("name", "spam")])
        let second = try store.publish(again)
        #expect(first.isNew)
        #expect(!second.isNew)
        #expect(first.id == second.id)
    }

    @Test("a change of prompt, definition, provenance or core gives a new version")
    func changes() throws {
        var provenance = try publication("spam", seed: 2, core: coreB, template: "x {input}")
        provenance.provenance["seed"] = 1
        let ids = try [
            publication("spam"), publication("spam", seed: 2), publication("spam", seed: 2, core: coreB),
            publication("spam", seed: 2, core: coreB, template: "x {input}"), provenance, publication("spam"),
        ].map { try store.publish($0).id.version }
        #expect(ids == [1, 2, 3, 4, 5, 6])
        #expect(try store.cores() == [coreA, coreB])
        #expect(try store.alias("spam").history.count == 5)
    }

    @Test("stores equal prompts once")
    func deduplication() throws {
        for name in ["a", "b", "c"] { try store.publish(publication(name)) }
        #expect(try store.verify().frames == 1)
        #expect(try store.verify().versions == 3)
    }

    @Test("many is all or nothing")
    func batch() throws {
        let published = try store.publish(batch: [
            publication("a"), publication("b"), publication("a", seed: 2), publication("a", seed: 2),
        ])
        #expect(published.map(\.id.description) == ["a@1", "b@1", "a@2", "a@2"])
        #expect(published.map(\.isNew) == [true, true, true, false])
        var wrong = try publication("d")
        wrong.coreFingerprint = "A"
        #expect(code { _ = try store.publish(batch: [publication("c"), wrong]) } == .invalidManifest)
        #expect(code { _ = try store.resolve("c") } == .notFound)
        #expect(try store.publish(batch: []) == [])
    }

    @Test(
        "refuses names that are not names",
        arguments: ["", "A", "-a", ".a", "a b", "a@1", "a/b", "ä", "a\0", String(repeating: "a", count: 129)])
    func names(name: String) throws {
        #expect(code { try store.publish(publication(name)) } == .invalidName)
        try store.publish(publication("0" + String(repeating: "a._-", count: 31) + "abc"))
    }

    @Test("refuses what could not be read back")
    func unreadable() throws {
        var deep = try publication("deep")
        deep.definition["a"] = (0..<127).reduce(JSONValue.null) { value, _ in .array([value]) }
        #expect(code { try store.publish(deep) } == .invalidManifest)
        var long = try publication("long")
        long.definition["a"] = .string(String(repeating: "x", count: 1 << 20))
        #expect(code { try store.publish(long) } == .invalidManifest)
        var hash = try publication("hash")
        hash.tokenizerHash = String(repeating: "A", count: 64)
        #expect(code { try store.publish(hash) } == .invalidManifest)
        #expect(try store.targets() == [])
    }

    @Test("is refused where the store is open for reading only")
    func readOnly() throws {
        let reader = try PromptStore(path: directory.file("store"), mode: .readOnly)
        #expect(code { try reader.publish(publication("spam")) } == .readOnly)
        #expect(code { try reader.remove("spam") } == .readOnly)
        #expect(code { try reader.rollback("spam") } == .readOnly)
        #expect(code { try reader.collectGarbage() } == .readOnly)
    }

    @Test("into a full store changes nothing, and goes on once there is room")
    func full() throws {
        let store = try PromptStore(path: directory.file("small"), mode: .readWrite, maximumSize: 1 << 20)
        var noise = SeededGenerator(state: 4)
        let frames = try (0..<40).map { _ in try PromptFrame(noise.prompt(20, 512), as: .float32) }
        let large = frames.enumerated().map { index, frame in
            Publication(
                name: "large-\(index)", frame: frame, coreFingerprint: coreA, definition: JSONObject())
        }
        try store.publish(publication("first"))
        #expect(code { _ = try store.publish(batch: large) } == .storeFull)
        #expect(try store.targets() == ["first = first@1"])
        try store.publish(large[0])
        #expect(try store.verify().problems == [])
        #expect(try store.targets() == ["first = first@1", "large-0 = large-0@1"])
        // What was removed makes room at once, also for a prompt that needs pages that lie together.
        let stored = large.dropFirst().prefix { publication in
            code { try store.publish(publication) } == nil
        }
        #expect((3..<large.count - 1).contains(stored.count))
        for round in 0..<5 {
            try store.remove(stored[stored.startIndex + round % 3].name)
            #expect(code { try store.publish(stored[stored.startIndex + round % 3]) } == nil)
        }
        #expect(try store.verify().problems == [])
    }
}
