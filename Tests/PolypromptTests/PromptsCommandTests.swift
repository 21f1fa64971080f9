import Foundation
import JSON
import Testing

@Suite("polyprompt prompts")
struct PromptsCommandTests {
    let folder: TemporaryFolder
    let store: String

    init() throws {
        folder = try TemporaryFolder()
        store = folder.path("store")
    }

    private func prompts(_ command: String, _ arguments: String...) throws -> Command {
        try Command.run(["prompts", command, "--store", store] + arguments)
    }

    private func register(_ arguments: String...) throws -> Command {
        try Command.run(["prompts", "register", "--core", Command.core, "--store", store] + arguments)
    }

    /// A task folder with a prompt of one value repeated.
    private func task(
        _ name: String, json: String? = nil, width: Int = 256, value: Float = 0.5, metadata: String = "{}"
    ) throws -> String {
        let path = folder.path(name)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        try
            (json
            ?? #"{"name": "\#(name)", "template": "{input}", "labels": [{"label": "a", "text": "yes"}, {"label": "b", "text": "no"}]}"#)
            .write(toFile: path + "/task.json", atomically: true, encoding: .utf8)
        let header =
            #"{"__metadata__":\#(metadata),"prompt_embeddings":{"dtype":"F32","shape":[2,\#(width)],"data_offsets":[0,\#(8 * width)]}}"#
        var data = Data()
        withUnsafeBytes(of: UInt64(header.utf8.count)) { data.append(contentsOf: $0) }
        data += Data(header.utf8)
        for _ in 0..<2 * width { withUnsafeBytes(of: value) { data.append(contentsOf: $0) } }
        try data.write(to: URL(fileURLWithPath: path + "/prompt.safetensors"))
        return path
    }

    @Test("the life of a task: register, list, show, roll back, alias, remove, collect, verify, back up")
    func lifeCycle() throws {
        let first = try task("mine", value: 0.25)
        #expect(try register(first).output == "mine@1\n")
        #expect(try register(first).output == "mine@1\n", "the same again is the same version")
        #expect(try register(try task("mine", value: 0.5)).output == "mine@2\n")

        let listed = try prompts("list").lines
        #expect(listed.count == 1)
        #expect(listed[0].object?["target"] == "mine@2")
        #expect(listed[0].object?["versions"] == [1, 2])
        let shown = try #require(try JSONValue.parse(try prompts("show", "mine").output).object)
        #expect(shown["version"] == 2 && shown["rows"] == 2 && shown["width"] == 256)
        #expect(shown["definition"]?.object?["template"] == "{input}")
        #expect(shown["core"]?.string?.count == 64)

        #expect(try prompts("rollback", "mine").output == "mine@1\n")
        #expect(try prompts("alias", "stable", "mine@2").status == 0)
        #expect(
            try prompts("alias", "both", "--ensemble", "mine@1,mine@2", "--combine", "majority").status == 0)
        #expect(try JSONValue.parse(try prompts("show", "both").output).object?["members"]?.array?.count == 2)
        let refused = try prompts("remove", "mine@2")
        #expect(refused.status == 1 && refused.errors.contains("the alias"), "\(refused.errors)")
        #expect(try prompts("remove", "both").status == 0)
        #expect(try prompts("remove", "stable").status == 0)
        #expect(try prompts("remove", "mine@2").output == "mine@2\n")
        #expect(try prompts("gc").output.hasPrefix("1 prompts"))
        #expect(try prompts("verify").status == 0)
        #expect(try prompts("backup", folder.path("copy")).status == 0)
        let copy = try Command.run(["prompts", "list", "--store", folder.path("copy")])
        #expect(copy.output == (try prompts("list").output))
        #expect(
            try register(try task("mine", value: 0.75)).output == "mine@3\n", "numbers are not given again")
    }

    @Test("a bare matrix needs a name, and may be .npy or .safetensors")
    func bareMatrix() throws {
        let bare = try task("bare") + "/prompt.safetensors"
        #expect(try register(bare).errors.contains("--name"))
        #expect(try register("--name", "from-safetensors", bare).output == "from-safetensors@1\n")
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 256), }"
        let npy =
            Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, UInt8(header.utf8.count), 0])
            + Data(header.utf8) + Data(count: 1024)
        try npy.write(to: URL(fileURLWithPath: folder.path("p.npy")))
        #expect(try register("--name", "from-npy", folder.path("p.npy")).output == "from-npy@1\n")
    }

    @Test("each element type is stored and verified", arguments: ["float32", "float16", "bfloat16", "int8"])
    func elementTypes(type: String) throws {
        #expect(try register("--element-type", type, Command.prompt("spam")).status == 0)
        #expect(
            try JSONValue.parse(try prompts("show", "spam").output).object?["element_type"]?.string == type)
        #expect(try prompts("verify").status == 0)
    }

    @Test("what cannot be registered is refused whole, with the file and the reason")
    func refusals() throws {
        let good = try task("good")
        func refused(_ arguments: String..., saying text: String) throws {
            let result = try Command.run(
                ["prompts", "register", "--core", Command.core, "--store", store] + arguments)
            #expect(result.status != 0 && result.output.isEmpty)
            #expect(result.errors.contains(text), "\(result.errors)")
        }
        try refused(good, try task("narrow", width: 128), saying: "128 wide")
        try refused(good, try task("nan", value: .nan), saying: "nan")
        try refused(good, try task("infinite", value: .infinity), saying: "finite")
        try refused(
            good, try task("unknown-key", json: #"{"name": "x", "template": "{input}", "lables": []}"#),
            saying: "lables")
        try refused(good, try task("no-template", json: #"{"name": "x"}"#), saying: "template")
        try refused(
            good, try task("bad-name", json: #"{"name": "Ü", "template": "{input}"}"#), saying: "name")
        try refused(good, try task("not-json", json: "{"), saying: "task.json")
        try refused(
            good, try task("foreign", metadata: #"{"core_fingerprint":"00"}"#),
            saying: "was made for the core 00")
        try refused(good, "/nonexistent", saying: "/nonexistent")
        try refused("--name", "x", good, good, saying: "--name")
        #expect(try prompts("list").status == 1, "nothing was published, so there is no store")
    }

    @Test("two processes that publish at the same time both succeed")
    func twoWriters() throws {
        let tasks = try (0..<4).map { try task("task-\($0)", value: Float($0)) }
        let shared = try (0..<4).map { index in
            try task(
                "shared-\(index)", json: #"{"name": "shared", "template": "{input}"}"#, value: Float(index))
        }
        let processes = try zip(tasks, shared).map { task, shared in
            let process = Command.process(
                ["prompts", "register", "--core", Command.core, "--store", store, task, shared])
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            return process
        }
        for process in processes {
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
        let listed = try prompts("list").lines
        #expect(listed.count == 5)
        #expect(listed.first { $0.object?["name"] == "shared" }?.object?["versions"] == [1, 2, 3, 4])
        #expect(try prompts("verify").status == 0)
    }

    @Test("a flipped bit in the store is found, and the other tasks are served")
    func flippedBit() throws {
        #expect(try register(Command.prompt("spam"), Command.prompt("emotion")).status == 0)
        let files = try FileManager.default.contentsOfDirectory(atPath: store).map { store + "/" + $0 }
        let path = try #require(files.max { try size($0) < size($1) })
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        // Bytes in the middle of the largest run without a zero page: a frame's compressed payload.
        let frame = try #require(bytes.range(of: Data("PPRF".utf8)) ?? firstFrame(in: bytes))
        bytes[frame.lowerBound + 200] ^= 0x10
        try bytes.write(to: URL(fileURLWithPath: path))
        let verified = try prompts("verify")
        #expect(verified.status == 2 && !verified.output.isEmpty, "\(verified.output) \(verified.errors)")
        let answers = try Command.run(
            ["run", "--core", Command.core, "--store", store],
            input: Data(#"{"task": "spam", "input": "x"}"#.utf8) + Data([0x0A])
                + Data(#"{"task": "emotion", "input": "x"}"#.utf8))
        let codes = try answers.lines.map { $0.object?["error"]?.object?["code"]?.string }
        #expect(codes.filter { $0 == "task_unusable" }.count == 1)
        #expect(codes.filter { $0 == nil }.count == 1)
    }

    private func size(_ path: String) throws -> Int {
        (try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    }

    /// A zstd frame's magic number.
    private func firstFrame(in bytes: Data) -> Range<Data.Index>? {
        bytes.range(of: Data([0x28, 0xB5, 0x2F, 0xFD]))
    }
}
