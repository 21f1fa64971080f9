import Foundation
import JSON
import T5
import Tensors
import TestSupport

/// The files of a core, to be changed and written: a golden core unless said otherwise.
struct CoreFiles {
    /// The name of a sharded checkpoint's index.
    static let index = "model.safetensors.index.json"

    var configuration: JSONObject
    var tensors: [String: FileTensor]

    init(_ name: String = "v1_0-relu-tied") throws {
        let directory = Repository.goldenCore(name)
        let text = try Data(contentsOf: URL(fileURLWithPath: directory + "/config.json"))
        configuration = try JSONValue.parse(text).object ?? JSONObject()
        let file = try SafetensorsFile(path: directory + "/model.safetensors")
        tensors = [:]
        for (name, entry) in file.entries {
            guard let stored = try file.tensor(name.string) else { continue }
            tensors[name.string] = FileTensor(
                type: entry.elementType, shape: entry.shape, bytes: Array(stored.bytes))
        }
    }

    /// Gives a tensor another name, or a second one.
    mutating func copy(_ name: String, to names: [String], removingOld: Bool) {
        for new in names { tensors[new] = tensors[name] }
        if removingOld { tensors[name] = nil }
    }

    /// Puts a float32 bit pattern in a tensor's place.
    mutating func set(_ name: String, at index: Int, to value: Float) {
        tensors[name]?.bytes.replaceSubrange(index * 4..<index * 4 + 4, with: [value].littleEndianBytes)
    }

    /// A safetensors file of these tensors.
    private func safetensors(_ names: [String]) -> [UInt8] {
        TensorFile.safetensors(names.compactMap { name in tensors[name].map { (name, $0) } })
    }

    /// Writes the core into a new folder.
    func write() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write("config.json", JSONValue.object(configuration).line)
        try folder.write("model.safetensors", safetensors(tensors.keys.sorted()))
        return folder
    }

    /// Writes the core with its tensors dealt out to so many shards, and their index.
    func write(shards: Int) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write("config.json", JSONValue.object(configuration).line)
        var map = JSONObject()
        let names = tensors.keys.sorted()
        for shard in 0..<shards {
            let file = "shard-\(shard).safetensors"
            let part = names.indices.filter { $0 % shards == shard }.map { names[$0] }
            try folder.write(file, safetensors(part))
            for name in part { map[name] = .string(file) }
        }
        try folder.write(Self.index, JSONValue.object(JSONObject([("weight_map", .object(map))])).line)
        return folder
    }
}

/// A pool that the tests of folders share.
private let pool = WorkerPool(threadCount: 2)

extension TemporaryFolder {
    /// The core whose files are in the folder.
    func load() throws(T5Error) -> T5Core {
        try T5Core(path, precision: .float32, pool: pool)
    }

    /// Why the core does not load; says so when it does.
    var failure: (code: T5Error.Code?, message: String) {
        do {
            _ = try load()
            return (nil, "it loaded")
        } catch {
            return (error.code, error.message)
        }
    }

    /// The last encoder row and the first logits of some ids.
    func numbers(_ ids: [Int32]) throws -> [Float] {
        let session = T5Session(core: try load(), pool: pool)
        let encoded = try session.encode([T5Input(rows: [], ids: ids)])
        return encoded.rows(of: 0).suffix(session.core.configuration.modelWidth)
            + session.firstLogits(encoded, sequence: 0)
    }
}
