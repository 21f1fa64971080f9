import Foundation
import JSON
import T5
import Tensors

/// The files of a core, to be changed and written: a golden core unless said otherwise.
struct CoreFiles {
    struct Tensor {
        var type: String
        var shape: [Int]
        var bytes: [UInt8]
    }

    var configuration: JSONObject
    var tensors: [String: Tensor]

    init(_ name: String = "v1_0-relu-tied") throws {
        let directory = GoldenCase.folder.appendingPathComponent(name)
        let text = try Data(contentsOf: directory.appendingPathComponent("config.json"))
        configuration = try JSONValue.parse(text).object ?? JSONObject()
        let file = try SafetensorsFile(path: directory.appendingPathComponent("model.safetensors").path)
        tensors = [:]
        for (name, entry) in file.entries {
            guard let stored = try file.tensor(name) else { continue }
            tensors[name] = Tensor(type: entry.elementType, shape: entry.shape, bytes: Array(stored.bytes))
        }
    }

    /// Gives a tensor another name, or a second one.
    mutating func copy(_ name: String, to names: [String], removingOld: Bool) {
        for new in names { tensors[new] = tensors[name] }
        if removingOld { tensors[name] = nil }
    }

    /// Puts a float32 bit pattern in a tensor's place.
    mutating func set(_ name: String, at index: Int, to value: Float) {
        withUnsafeBytes(of: value) {
            tensors[name]?.bytes.replaceSubrange(index * 4..<index * 4 + 4, with: $0)
        }
    }

    /// A safetensors file of these tensors.
    func safetensors(_ names: [String]) -> Data {
        var header = JSONObject()
        var data = Data()
        for name in names {
            guard let tensor = tensors[name] else { continue }
            header[name] = [
                "dtype": .string(tensor.type), "shape": JSONValue(tensor.shape),
                "data_offsets": JSONValue([data.count, data.count + tensor.bytes.count]),
            ]
            data += tensor.bytes
        }
        let text = Data(JSONValue.object(header).line.utf8)
        return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) } + text + data
    }

    /// Writes the core into a new folder.
    func write() throws -> CoreFolder {
        let folder = try CoreFolder()
        try folder.write("config.json", JSONValue.object(configuration).line)
        try folder.write("model.safetensors", safetensors(tensors.keys.sorted()))
        return folder
    }

    /// Writes the core with its tensors dealt out to so many shards, and their index.
    func write(shards: Int) throws -> CoreFolder {
        let folder = try CoreFolder()
        try folder.write("config.json", JSONValue.object(configuration).line)
        var map = JSONObject()
        let names = tensors.keys.sorted()
        for shard in 0..<shards {
            let file = "shard-\(shard).safetensors"
            let part = names.indices.filter { $0 % shards == shard }.map { names[$0] }
            try folder.write(file, safetensors(part))
            for name in part { map[name] = .string(file) }
        }
        try folder.write(CoreFolder.index, JSONValue.object(JSONObject([("weight_map", .object(map))])).line)
        return folder
    }
}

/// A folder that goes with its owner.
final class CoreFolder {
    static let index = "model.safetensors.index.json"
    private static let pool = WorkerPool(threadCount: 2)

    let url = FileManager.default.temporaryDirectory.appendingPathComponent("core-\(UUID())")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }

    func write(_ name: String, _ text: String) throws { try write(name, Data(text.utf8)) }

    func write(_ name: String, _ data: Data) throws { try data.write(to: url.appendingPathComponent(name)) }

    func remove(_ name: String) throws {
        try FileManager.default.removeItem(at: url.appendingPathComponent(name))
    }

    func load() throws(T5Error) -> T5Core {
        try T5Core(url.path, precision: .float32, pool: Self.pool)
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
        let session = T5Session(core: try load(), pool: Self.pool)
        let encoded = try session.encode([T5Input(rows: [], ids: ids)])
        return encoded.rows(of: 0).suffix(session.core.configuration.modelWidth)
            + session.firstLogits(encoded, sequence: 0)
    }
}
