import Foundation
import JSON
import LMDB
import PromptStore
import TestSupport
import Testing

/// A store of which one record is damaged: what that costs its name, and that it costs no other.
@Suite("One damaged record")
struct StoreDamageTests {
    /// What is damaged, and what becomes of `spam`, the name that it belongs to, or to none.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let database: String
        let key: [UInt8]
        /// The record as it is then; none removes it.
        let damage: @Sendable ([UInt8], [UInt8]) -> (key: [UInt8], value: [UInt8])?
        /// Whether `list` leaves the name out, and whether `show` and `run` refuse it.
        var listed = false
        var shown = false
        var served = false
        /// What `verify` calls the record, or those that miss it.
        let verified: String
        /// Whether the name takes a new version, and whether pointing it at a version mends it.
        var published = false
        var mended = false
        /// Whether the collection is held up.
        var collected = true
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static func replacing(
        _ old: String, with new: String
    ) -> @Sendable ([UInt8], [UInt8]) -> (key: [UInt8], value: [UInt8])? {
        { key, value in (key, bytes(String(decoding: value, as: UTF8.self).replacing(old, with: new))) }
    }

    private static let version2 = bytes("spam\0") + [0, 0, 0, 0, 0, 0, 0, 2]

    static let cases = [
        Case(
            testDescription: "an unknown key in an alias", database: "alias", key: bytes("spam"),
            damage: replacing("target", with: "tarGet"), verified: "alias spam", mended: true),
        Case(
            testDescription: "an alias that is not UTF-8", database: "alias", key: bytes("spam"),
            damage: { key, value in (key, value.map { $0 == 0x40 ? 0xFF : $0 }) }, verified: "alias spam",
            mended: true),
        Case(
            testDescription: "an empty alias", database: "alias", key: bytes("spam"),
            damage: { key, _ in (key, []) }, verified: "alias spam", mended: true),
        Case(
            testDescription: "a missing alias", database: "alias", key: bytes("spam"),
            damage: { _, _ in nil },
            verified: "task spam@1", published: true, mended: true),
        Case(
            testDescription: "an alias's key that is not UTF-8", database: "alias", key: bytes("spam"),
            damage: { _, value in ([0x73, 0xFF, 0x6D], value) }, verified: "alias 73ff6d", published: true,
            mended: true),
        Case(
            testDescription: "an unknown key in a manifest", database: "task", key: version2,
            damage: replacing("\"rows\"", with: "\"roWs\""), verified: "task spam@2", published: true,
            mended: true, collected: false),
        Case(
            testDescription: "a manifest that is cut short", database: "task", key: version2,
            damage: { key, value in (key, Array(value.prefix(40))) }, verified: "task spam@2",
            published: true, mended: true, collected: false),
        Case(
            testDescription: "a manifest's key that is not UTF-8", database: "task", key: version2,
            damage: { key, value in ([0xFF] + key.dropFirst(), value) },
            verified: "task ff70616d00", published: true, mended: true, collected: false),
        Case(
            testDescription: "a flipped bit in a prompt", database: "blob", key: [],
            damage: { key, value in (key, value.dropLast() + [value[value.count - 1] ^ 4]) }, listed: true,
            verified: "blob", published: true, mended: true),
        Case(
            testDescription: "a last version of 0", database: "version", key: bytes("spam"),
            damage: { key, _ in (key, [UInt8](repeating: 0, count: 8)) }, listed: true, shown: true,
            served: true, verified: "task spam@1"),
        Case(
            testDescription: "a last version that is too low", database: "version", key: bytes("spam"),
            damage: { key, value in (key, value.dropLast() + [1]) }, listed: true, shown: true, served: true,
            verified: "task spam@2"),
        Case(
            testDescription: "a last version of 7 bytes", database: "version", key: bytes("spam"),
            damage: { key, value in (key, Array(value.dropFirst())) }, listed: true, shown: true,
            served: true, verified: "version spam"),
        Case(
            testDescription: "a missing last version", database: "version", key: bytes("spam"),
            damage: { _, _ in nil }, listed: true, shown: true, served: true, verified: "task spam@1"),
        Case(
            testDescription: "an unknown key", database: "meta", key: bytes("core/"),
            damage: { _, value in (bytes("coRe/"), value) }, listed: true, shown: true, served: true,
            verified: "meta 636f52652f", published: true),
    ]

    /// A store for all cases: `spam` with two versions, another task, an ensemble of it and one to be removed.
    private static let made = Result { () throws -> (folder: TemporaryFolder, core: String, blob: String) in
        let folder = try TemporaryFolder()
        let (core, blob) = try makeStore(in: folder)
        return (folder, core, blob)
    }

    private static func makeStore(in folder: TemporaryFolder) throws -> (core: String, blob: String) {
        let registered = try Command.script(
            "$P prompts register --core $C --store $W/store prompts/spam prompts/sentiment", in: folder)
        try #require(registered.status == 0, "\(registered.errors)")
        let store = try PromptStore(path: folder.file("store"), mode: .readWrite)
        let first = try #require(try store.resolve("spam").manifests.first)
        let core = first.coreFingerprint
        func publish(_ name: String, _ like: PromptManifest, value: Float) throws -> PromptFrame {
            let prompt = try SoftPrompt(
                rows: 20, width: like.width, values: (0..<20 * like.width).map { value + Float($0 % 7) / 64 })
            let frame = try PromptFrame(prompt, as: .float32)
            try store.publish(
                Publication(
                    name: name, frame: frame, coreFingerprint: core, tokenizerHash: like.tokenizerHash,
                    definition: like.definition, provenance: JSONObject()))
            return frame
        }
        let frame = try publish("spam", first, value: 0.25)
        _ = try publish("old", first, value: 0.5)
        _ = try publish("other", first, value: 0.75)
        try store.setAlias(
            "both",
            to: .ensemble(
                members: [.init(name: "other", version: 1), .init(name: "old", version: 1)], combine: .mean))
        return (core, frame.hash)
    }

    private func apply(_ damage: Case, blob: String, in path: String) throws {
        let environment = try Environment.open(path, mode: .readWrite)
        let database = try environment.database(damage.database, createIfMissing: true)
        let key =
            damage.database == "blob"
            ? stride(from: 0, to: 64, by: 2).map { UInt8(blob.dropFirst($0).prefix(2), radix: 16) ?? 0 }
            : damage.key
        try environment.write { transaction in
            let old = try transaction.value(of: key, in: database)
            if damage.database != "meta" { try #require(old != nil) }
            try transaction.delete(key, in: database)
            if let changed = damage.damage(key, old ?? []) {
                try #require(changed.key != key || changed.value != old)
                try transaction.put(changed.value, for: changed.key, in: database)
            }
        }
    }

    @Test("costs its name, and no other", arguments: cases)
    func damage(_ damage: Case) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("store")
        let (made, core, blob) = try Self.made.get()
        try folder.makeFolder("store")
        try folder.write("store/data.mdb", made.bytes("store/data.mdb"))
        try apply(damage, blob: blob, in: path)
        func prompts(_ command: String) throws -> Command {
            try Command.polyprompt(
                ["prompts"] + command.split(separator: " ").map(String.init) + ["--store", path])
        }

        let list = try prompts("list")
        #expect(list.status == (damage.listed ? 0 : 2), "\(list.errors)")
        #expect(list.errors.isEmpty == damage.listed)
        let names = ["both", "old", "other", "sentiment"] + (damage.listed ? ["spam"] : [])
        #expect(try list.lines.map { $0["name"]?.string } == names)

        #expect(try prompts("show other").status == 0)
        let show = try prompts("show spam")
        #expect(show.status == (damage.shown ? 0 : 1))
        if !damage.shown { #expect(show.errors.contains("spam"), "\(show.errors)") }
        if damage.database != "task" || damage.published { #expect(try prompts("show spam@1").status == 0) }

        let verify = try prompts("verify")
        #expect(verify.status == 2)
        #expect(verify.output.contains("\(damage.verified)"), "\(verify.output)")

        let requests = ["spam", "both", "other", "sentiment"].map {
            "{\"task\":\"\($0)\",\"input\":\"hello\"}\n"
        }
        let run = try Command.polyprompt(
            ["run", "--threads", "1", "--core", Repository.core, "--store", path], input: requests.joined())
        #expect(run.status == (damage.served ? 0 : 2), "\(run.errors)")
        #expect(try run.lines.map { $0["error"] == nil } == [damage.served, true, true, true])
        if !damage.served {
            let error = try run.lines[0]["error"]?.object
            #expect(error?["code"] == "task_unusable")
            #expect(error?["message"]?.string?.contains("spam") == true)
        }

        #expect(try prompts("alias pointer other@1").status == 0)
        #expect(try prompts("rollback sentiment").errors.contains("no earlier target"))
        #expect(try prompts("remove pointer").status == 0)
        #expect(try prompts("alias both other@1").status == 0)
        #expect(try prompts("remove both").status == 0)
        #expect(try prompts("remove old").output == "old@1\n")
        let collect = try prompts("gc")
        #expect(collect.status == (damage.collected ? 0 : 2), "\(collect.errors)")
        if damage.collected { #expect(collect.output.hasPrefix("1 prompts")) }

        let store = try PromptStore(path: path, mode: .readWrite)
        #expect(try store.publish(task("new", core: core)).id.version == 1)
        let published = Result { try store.publish(task("spam", value: 3, core: core)) }
        #expect(((try? published.get()) != nil) == damage.published)
        if damage.published { #expect(try store.resolve("spam").manifests.first?.version ?? 0 >= 2) }
        if damage.mended {
            #expect(try prompts("alias spam spam@1").output == "spam: spam@1\n")
            #expect(try store.resolve("spam").manifests.first?.version == 1)
        }
        #expect(try prompts("remove spam").status == 0)
        #expect(try prompts("show spam").errors.contains("there is no task"))
    }

    @Test("of which the key is out of order costs its name, and the store is mended by a copy")
    func disorder() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("store")
        let names = (0..<300).map { "task-\($0 + 100)" }
        do {
            let store = try PromptStore(path: path, mode: .readWrite)
            _ = try store.publish(batch: names.map { try task($0) })
        }
        // In the leaf of the aliases, where the key is followed by its value.
        var data = try folder.bytes("store/data.mdb")
        let place = try #require(data.ranges(of: Array("task-250{\"history".utf8)).last)
        data[place.lowerBound] = 0xFF
        try folder.write("store/data.mdb", data)
        func prompts(_ command: String, store: String = path) throws -> Command {
            try Command.polyprompt(
                ["prompts"] + command.split(separator: " ").map(String.init) + ["--store", store])
        }
        let left = names.filter { $0 != "task-250" }
        let copy = folder.file("copy")
        for store in [path, copy] {
            let list = try prompts("list", store: store)
            #expect(list.status == 2)
            #expect(try list.lines.map { $0["name"]?.string } == left)
            #expect(
                list.errors.contains("ff61736b2d323530") && list.errors.contains("\"task-250\" has versions"))
            for name in ["task-100", "task-249", "task-251", "task-399", "task-250@1"] {
                #expect(try prompts("show \(name)", store: store).status == 0)
            }
            #expect(try prompts("show task-250", store: store).errors.contains("has versions and no alias"))
            let verify = try prompts("verify", store: store)
            #expect(verify.status == 2 && verify.output.contains("alias ff61736b2d323530: "))
            #expect(verify.output.contains("data.mdb: ") == (store == path), "\(verify.output)")
            if store == path {
                for change in ["gc", "remove task-100", "alias x task-100@1"] {
                    let refused = try prompts(change)
                    #expect(
                        refused.status == 1 && refused.errors.contains("can only be read"),
                        "\(refused.errors)")
                }
                #expect(try prompts("backup \(copy)").status == 0)
            }
        }
        #expect(try prompts("alias task-250 task-250@1", store: copy).status == 0)
        #expect(try prompts("show task-250", store: copy).status == 0)
        #expect(try prompts("gc", store: copy).status == 0)
    }

    @Test("keeps the prompt that it may name from being collected")
    func collection() throws {
        let folder = try TemporaryFolder()
        let store = try PromptStore(path: folder.file("store"), mode: .readWrite)
        for (index, name) in ["kept", "gone"].enumerated() {
            try store.publish(task(name, value: Float(index)))
        }
        let kept = try #require(try store.resolve("kept").manifests.first)
        try store.remove("gone")
        let environment = try Environment.open(folder.file("store"), mode: .readWrite)
        let tasks = try environment.database("task", createIfMissing: false)
        let key = Array("kept\0".utf8) + [0, 0, 0, 0, 0, 0, 0, 1]
        let sound = try #require(try environment.read { try $0.value(of: key, in: tasks) })
        func put(_ value: String) throws {
            try environment.write { try $0.put(Array(value.utf8), for: key, in: tasks) }
        }
        let text = String(decoding: sound, as: UTF8.self)
        // It names no frame that there is, so that any may be its own.
        try put(
            text.replacing(kept.blob, with: String(repeating: "0", count: 64)).replacing("rows", with: "roWs")
        )
        var collected = try store.collectGarbage()
        #expect((collected.frames, collected.damaged.count) == (0, 1))
        #expect(collected.damaged.first?.message.contains("kept@1") == true)
        try put(text.replacing("rows", with: "roWs"))
        collected = try store.collectGarbage()
        #expect((collected.frames, collected.damaged.count) == (1, 1))
        try put(text)
        #expect(try store.collectGarbage().damaged == [])
        #expect(try store.frame(for: kept).hash == kept.blob)
        #expect(try store.verify().problems == [])
    }

    @Test("of a prompt is mended by publishing the same again")
    func mending() throws {
        let folder = try TemporaryFolder()
        let store = try PromptStore(path: folder.file("store"), mode: .readWrite)
        let publication = try task("spam")
        try store.publish(publication)
        let damage = try #require(Self.cases.first { $0.database == "blob" })
        try apply(damage, blob: publication.frame.hash, in: folder.file("store"))
        #expect(try store.verify().problems.count == 1)
        let again = try store.publish(publication)
        #expect(!again.isNew && again.id.version == 1)
        #expect(try store.verify().problems == [])
        try apply(damage, blob: publication.frame.hash, in: folder.file("store"))
        #expect(try store.publish(task("other")).isNew)
        #expect(try store.verify().problems == [])
    }

    @Test("of an alias that names what is to be removed keeps it from being removed")
    func named() throws {
        let folder = try TemporaryFolder()
        let store = try PromptStore(path: folder.file("store"), mode: .readWrite)
        for name in ["spam", "ham"] { try store.publish(task(name)) }
        try store.setAlias("stable", to: .version(.init(name: "spam", version: 1)))
        let environment = try Environment.open(folder.file("store"), mode: .readWrite)
        let aliases = try environment.database("alias", createIfMissing: false)
        try environment.write { transaction in
            let value = try transaction.value(of: Array("stable".utf8), in: aliases) ?? []
            try transaction.put(value + [0x20, 0x7D], for: Array("stable".utf8), in: aliases)
        }
        let error = #expect(throws: PromptStoreError.self) { try store.remove("spam") }
        #expect(error?.message.contains("\"stable\" is damaged") == true)
        #expect(try store.remove("ham").count == 1)
        #expect(try store.remove("stable") == [])
        #expect(try store.remove("spam").count == 1)
    }
}
