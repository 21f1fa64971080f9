import Basics
import Foundation
import JSON
import Tensors

/// The tensors of a core directory: `model.safetensors`, or the shards that
/// `model.safetensors.index.json` lists.
struct T5Checkpoint {
    let directory: String
    private let fileOfTensor: [ByteText: SafetensorsFile]

    /// Opens the file or shards and checks their headers; no tensor is read yet.
    init(directory: String) throws(T5Error) {
        self.directory = directory
        let single = directory + "/model.safetensors"
        let index = directory + "/model.safetensors.index.json"
        var fileOfTensor: [ByteText: SafetensorsFile] = [:]
        do {
            if FileManager.default.fileExists(atPath: single) {
                let file = try SafetensorsFile(path: single)
                for name in file.entries.keys { fileOfTensor[name] = file }
            } else if FileManager.default.fileExists(atPath: index) {
                fileOfTensor = try Self.shards(index: index, directory: directory)
            } else {
                throw T5Error(
                    .unreadable,
                    "\(directory) has neither model.safetensors nor model.safetensors.index.json; "
                        + "save the model with safe_serialization=True")
            }
        } catch {
            throw T5Error(.weights, wrapping: error)
        }
        self.fileOfTensor = fileOfTensor
    }

    private static func shards(index: String, directory: String) throws -> [ByteText: SafetensorsFile] {
        let bytes: [UInt8]
        do { bytes = try readRegularFile(index, limit: FileLimit.index) } catch {
            throw T5Error(.unreadable, wrapping: error)
        }
        let map = try ObjectReader(parsing: bytes, at: index) { T5Error(.weights, $0) }
            .require("weight_map").object()
        var files: [ByteText: SafetensorsFile] = [:]
        var fileOfTensor: [ByteText: SafetensorsFile] = [:]
        for name in map.object.keys {
            let shard = try map.require(name).read("a plain file name") { value in
                value.string.flatMap {
                    ["", ".", ".."].hasSame(as: $0) || $0.utf8.contains(UInt8(ascii: "/")) ? nil : $0
                }
            }
            let file: SafetensorsFile
            if let known = files[shard] {
                file = known
            } else {
                file = try SafetensorsFile(path: directory + "/" + shard)
                files[shard] = file
            }
            guard file.entries[name] != nil else {
                throw T5Error(
                    .weights, "\(index) places \(name.excerpt) in \(shard.excerpt), which does not hold it")
            }
            fileOfTensor[name] = file
        }
        return fileOfTensor
    }

    /// The files that hold the tensors.
    var files: [SafetensorsFile] {
        var seen: Set<ObjectIdentifier> = []
        return fileOfTensor.values.filter { seen.insert(ObjectIdentifier($0)).inserted }
    }

    /// All tensor names.
    var names: some Collection<String> { fileOfTensor.keys.lazy.map(\.string) }

    /// The first of several names that the checkpoint holds, checked for its shape.
    func find(_ names: [String], shape: [Int]) throws(T5Error) -> StoredTensor? {
        for name in names {
            guard let file = fileOfTensor[name] else { continue }
            let tensor: StoredTensor?
            do { tensor = try file.tensor(name) } catch { throw T5Error(.weights, wrapping: error) }
            guard let tensor else { continue }
            guard tensor.shape == shape else {
                throw T5Error(
                    .weights,
                    "\(file.path): tensor \(name) has shape \(tensor.shape.shown); "
                        + "config.json makes it \(shape)")
            }
            return tensor
        }
        return nil
    }

    /// A tensor that must be there.
    func require(_ name: String, shape: [Int]) throws(T5Error) -> StoredTensor {
        guard let tensor = try find([name], shape: shape) else {
            throw T5Error(
                .weights, "\(directory) lacks the tensor \(name) \(shape), which its config.json calls for")
        }
        return tensor
    }
}
