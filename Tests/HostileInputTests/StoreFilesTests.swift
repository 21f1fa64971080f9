import Foundation
import Glibc
import JSON
import PromptStore
import TestSupport
import Testing

/// What stands in the place of a store's files, and what is done to them while they are open.
@Suite("A store's files")
struct StoreFilesTests {
    let folder: TemporaryFolder
    let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("store")
    }

    private static let writing = ["gc", "remove spam", "register --core $C prompts/spam"]
    private static let reading = ["list", "show spam", "verify", "backup $W/copy"]

    private func prompts(_ command: String, store: String = "$W/store") throws -> Command {
        // A command that waits for a pipe would do so for ever.
        try Command.script(
            "timeout -s KILL 20 $P prompts \(command.replacing(" ", with: " --store \(store) ", maxReplacements: 1))"
                + (command.contains(" ") ? "" : " --store \(store)"), in: folder)
    }

    /// Publishes one task.
    @discardableResult
    private func makeStore() throws -> PromptStore {
        let store = try PromptStore(path: path, mode: .readWrite)
        try store.publish(task("spam"))
        return store
    }

    @Test(
        "are refused at once where they are none",
        arguments: ["data.mdb", "lock.mdb"], ["mkfifo", "mkdir", "mknod", "ln -s /dev/zero"])
    func otherKinds(name: String, maker: String) throws {
        try makeStore()
        let suffix = maker == "mknod" ? " c 1 5" : ""
        let made = try Command.script("rm $W/store/\(name); \(maker) $W/store/\(name)\(suffix)", in: folder)
        guard made.status == 0 else {
            print("skipped: this system lets the tests make no device")
            return
        }
        for command in Self.reading + Self.writing {
            let refused = try prompts(command)
            // A link to a lock file is refused as a link, whatever it leads to.
            #expect(refused.status == 1, "\(command): \(refused.errors)")
            #expect(refused.errors.contains("\(path): \(name)"), "\(command): \(refused.errors)")
        }
        #expect(!folder.exists("copy"))
    }

    @Test("lie in a folder, which nothing else is taken for", arguments: ["mkfifo $W/store", ": >$W/store"])
    func otherPaths(maker: String) throws {
        #expect(try Command.script(maker, in: folder).status == 0)
        for command in Self.reading + Self.writing {
            let refused = try prompts(command)
            #expect(refused.status == 1 && refused.errors.contains(path), "\(command): \(refused.errors)")
        }
        #expect(try prompts("list", store: "/dev/null").status == 1)
        #expect(try prompts("gc", store: "/dev/null").status == 1)
    }

    @Test("are read, and not written, through a link to data.mdb")
    func linkedData() throws {
        try makeStore()
        try folder.makeFolder("linked")
        try folder.link("linked/data.mdb", to: folder.file("store/data.mdb"))
        for command in Self.reading {
            let read = try prompts(command, store: "$W/linked")
            #expect(read.status == 0, "\(command): \(read.errors)")
        }
        #expect(try prompts("list", store: "$W/copy").lines.count == 1)
        for command in Self.writing {
            let refused = try prompts(command, store: "$W/linked")
            #expect(refused.status == 1 && refused.errors.contains("symbolic link"), "\(refused.errors)")
        }
        #expect(!folder.exists("linked/lock.mdb"))
        // One that leads nowhere makes nothing there.
        try folder.makeFolder("dangling")
        try folder.link("dangling/data.mdb", to: folder.file("nowhere"))
        #expect(try prompts("gc", store: "$W/dangling").status == 1)
        #expect(!folder.exists("nowhere"))
    }

    @Test("never lead to a file of somebody else's by a link at lock.mdb")
    func linkedLock() throws {
        try makeStore()
        try folder.write("victim", "precious")
        try folder.remove("store/lock.mdb")
        try folder.link("store/lock.mdb", to: folder.file("victim"))
        for command in Self.reading + Self.writing {
            #expect(try prompts(command).status == 1)
        }
        #expect(try folder.text("victim") == "precious")
    }

    @Test("that are cut short while they are open are an error", arguments: [0, 100, 4096, 8192, 20_000])
    func cutShort(length: Int) throws {
        let store = try makeStore()
        _ = try store.resolve("spam")
        try #require(truncate(path + "/data.mdb", length) == 0)
        let uses: [() throws -> Void] = [
            { _ = try store.resolve("spam") }, { try store.publish(task("ham")) },
            { try store.backup(to: folder.file("copy")) }, { try store.collectGarbage() },
        ]
        for (index, use) in uses.enumerated() {
            let error = #expect(throws: PromptStoreError.self) { try use() }
            #expect(error?.message.contains("cut short") == true, "\(index): \(error?.message ?? "")")
        }
        #expect(try store.verify().problems.map(\.record) == ["data.mdb"])
    }

    @Test("that are gone while they are open are read, and take nothing that would be lost")
    func removed() throws {
        let store = try makeStore()
        try folder.remove("store")
        #expect(try store.resolve("spam").manifests.count == 1)
        let error = #expect(throws: PromptStoreError.self) { try store.publish(task("ham")) }
        #expect(error?.message.contains("removed or replaced") == true)
        // A new store at the path is another one.
        let second = try makeStore()
        #expect(throws: PromptStoreError.self) { try store.publish(task("ham")) }
        try folder.remove("store/lock.mdb")
        #expect(throws: PromptStoreError.self) { try second.publish(task("ham")) }
        #expect(try second.resolve("spam").manifests.count == 1)
    }

    @Test("may move with their folder")
    func moved() throws {
        let store = try makeStore()
        try FileManager.default.moveItem(atPath: path, toPath: folder.file("moved"))
        try store.publish(task("ham"))
        #expect(try prompts("list", store: "$W/moved").lines.count == 2)
    }

    @Test("are opened with little address space, however small the limit")
    func addressSpace() throws {
        try makeStore()
        let input = try folder.write("in", "")
        let list = try MeasuredCommand(
            ["prompts", "list", "--store", path], input: input, addressLimit: 1 << 30)
        #expect(list.status == 0, "\(list.errors)")
    }
}

/// A small task for the embedded core's width; equal arguments make equal ones.
func task(_ name: String, value: Float = 0.5, core: String = String(repeating: "a", count: 64)) throws
    -> Publication
{
    let prompt = try SoftPrompt(rows: 2, width: 256, values: [Float](repeating: value, count: 512))
    return Publication(
        name: name, frame: try PromptFrame(prompt, as: .float32), coreFingerprint: core,
        definition: JSONObject([("name", .string(name)), ("template", "{input}")]))
}
