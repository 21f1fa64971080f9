import Foundation
import JSON
import TestSupport
import Testing

@Suite("polyprompt prompts")
struct PromptsCommandTests {
    let folder: TemporaryFolder
    let store: String

    init() throws {
        folder = try TemporaryFolder()
        store = folder.file("store")
    }

    private func prompts(_ command: String, _ arguments: String...) throws -> Command {
        try Command.polyprompt(["prompts", command, "--store", store] + arguments)
    }

    private func register(_ arguments: String...) throws -> Command {
        try Command.polyprompt(
            ["prompts", "register", "--core", Repository.core, "--store", store] + arguments)
    }

    /// A task folder with a prompt of one value repeated.
    private func task(
        _ name: String, json: String? = nil, width: Int = 256, value: Float = 0.5, metadata: String = "{}"
    ) throws -> String {
        let path = try folder.makeFolder(name)
        try folder.write(
            name + "/task.json",
            json ?? """
                {"name": "\(name)", "template": "{input}", "labels": [{"label": "a", "text": "yes"}, \
                {"label": "b", "text": "no"}]}
                """)
        let rows = FileTensor(shape: [2, width], values: [Float](repeating: value, count: 2 * width))
        try folder.write(
            name + "/prompt.safetensors",
            TensorFile.safetensors([("prompt_embeddings", rows)], metadata: JSONValue.parse(metadata).object))
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
        #expect(listed[0]["target"] == "mine@2")
        #expect(listed[0]["versions"] == [1, 2])
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
        #expect(try prompts("backup", folder.file("copy")).status == 0)
        let copy = try Command.polyprompt(["prompts", "list", "--store", folder.file("copy")])
        #expect(copy.output == (try prompts("list").output))
        #expect(
            try register(try task("mine", value: 0.75)).output == "mine@3\n", "numbers are not given again")
    }

    @Test("a bare matrix needs a name, and may be .npy or .safetensors")
    func bareMatrix() throws {
        let bare = try task("bare") + "/prompt.safetensors"
        #expect(try register(bare).errors.contains("--name"))
        #expect(try register("--name", "from-safetensors", bare).output == "from-safetensors@1\n")
        let matrix = TensorFile.numpy(rows: 1, columns: 256, [Float](repeating: 0, count: 256))
        let npy = try folder.write("p.npy", matrix)
        #expect(try register("--name", "from-npy", npy).output == "from-npy@1\n")
    }

    @Test("each element type is stored and verified", arguments: ["float32", "float16", "bfloat16", "int8"])
    func elementTypes(type: String) throws {
        #expect(try register("--element-type", type, Repository.prompt("spam")).status == 0)
        #expect(
            try JSONValue.parse(try prompts("show", "spam").output).object?["element_type"]?.string == type)
        #expect(try prompts("verify").status == 0)
    }

    @Test("what cannot be registered is refused whole, with the file and the reason")
    func refusals() throws {
        let good = try task("good")
        func refused(_ arguments: String..., saying text: String) throws {
            let result = try Command.polyprompt(
                ["prompts", "register", "--core", Repository.core, "--store", store] + arguments)
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
                "polyprompt",
                ["prompts", "register", "--core", Repository.core, "--store", store, task, shared])
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
        #expect(listed.first { $0["name"] == "shared" }?["versions"] == [1, 2, 3, 4])
        #expect(try prompts("verify").status == 0)
    }

    @Test("a flipped bit in the store is found, and the other tasks are served")
    func flippedBit() throws {
        #expect(try register(Repository.prompt("spam"), Repository.prompt("emotion")).status == 0)
        let files = try FileManager.default.contentsOfDirectory(atPath: store).map { store + "/" + $0 }
        let path = try #require(files.max { try size($0) < size($1) })
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        // Bytes in the middle of the largest run without a zero page: a frame's compressed payload.
        let frame = try #require(bytes.range(of: Data("PPRF".utf8)) ?? firstFrame(in: bytes))
        bytes[frame.lowerBound + 200] ^= 0x10
        try bytes.write(to: URL(fileURLWithPath: path))
        let verified = try prompts("verify")
        #expect(verified.status == 2 && !verified.output.isEmpty, "\(verified.output) \(verified.errors)")
        let answers = try Command.polyprompt(
            ["run", "--core", Repository.core, "--store", store],
            input: """
                {"task": "spam", "input": "x"}
                {"task": "emotion", "input": "x"}
                """)
        let codes = try answers.lines.map { $0["error"]?.object?["code"]?.string }
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
