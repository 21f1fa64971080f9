import Crypto
import Foundation
import JSON
import Tensors

/// The tensors of a core directory: `model.safetensors`, or the shards that
/// `model.safetensors.index.json` lists.
struct T5Checkpoint {
    let directory: String
    private let fileOfTensor: [String: SafetensorsFile]

    /// Opens the file or shards and checks their headers; no tensor is read yet.
    init(directory: String) throws(T5Error) {
        self.directory = directory
        let single = directory + "/model.safetensors"
        let index = directory + "/model.safetensors.index.json"
        var fileOfTensor: [String: SafetensorsFile] = [:]
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
        } catch let error as TensorError {
            throw T5Error(error)
        } catch let error as T5Error {
            throw error
        } catch {
            throw T5Error(.unreadable, "\(error)")
        }
        self.fileOfTensor = fileOfTensor
    }

    private static func shards(index: String, directory: String) throws -> [String: SafetensorsFile] {
        let map: JSONObject
        do {
            let data = try Data(contentsOf: URL(fileURLWithPath: index))
            guard let value = try JSONValue.parse(data).object?["weight_map"]?.object else {
                throw T5Error(.weights, "\(index) has no object weight_map")
            }
            map = value
        } catch let error as JSONError {
            throw T5Error(.weights, "\(index) is not JSON: \(error)")
        }
        var files: [String: SafetensorsFile] = [:]
        var fileOfTensor: [String: SafetensorsFile] = [:]
        for (name, value) in map {
            guard let shard = value.string, !shard.isEmpty, !shard.contains("/"), shard != "..", shard != "."
            else {
                throw T5Error(.weights, "\(index): the file of \(name) is not a plain file name")
            }
            let file: SafetensorsFile
            if let known = files[shard] {
                file = known
            } else {
                file = try SafetensorsFile(path: directory + "/" + shard)
                files[shard] = file
            }
            guard file.entries[name] != nil else {
                throw T5Error(.weights, "\(index) places \(name) in \(shard), which does not hold it")
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
    var names: some Collection<String> { fileOfTensor.keys }

    /// The first of several names that the checkpoint holds, checked for its shape.
    func find(_ names: [String], shape: [Int]) throws(T5Error) -> StoredTensor? {
        for name in names {
            guard let file = fileOfTensor[name] else { continue }
            let tensor: StoredTensor?
            do { tensor = try file.tensor(name) } catch { throw T5Error(error) }
            guard let tensor else { continue }
            guard tensor.shape == shape else {
                throw T5Error(
                    .weights,
                    "\(file.path): tensor \(name) has shape \(tensor.shape); "
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

/// Collects what identifies a core while its tensors are loaded.
///
/// The fingerprint is the SHA-256 of the configuration's canonical text and, for each tensor that the model
/// uses in the order of their names, the line `name type shape sha256(bytes)`. Tensors stored twice under
/// several names, and how they are spread over files, do not change it.
struct CoreFingerprint {
    private var tensors: [StoredTensor] = []

    mutating func include(_ tensor: StoredTensor) { tensors.append(tensor) }

    /// Hashes the tensors' bytes, in parallel, and returns 64 hexadecimal digits.
    func digest(configuration: T5Configuration, facts: String, pool: WorkerPool) -> String {
        let lines = pool.map(tensors.sorted { $0.name < $1.name }) { tensor in
            let digest = SHA256.hash(data: tensor.bytes)
            return "\(tensor.name) \(tensor.elementType.rawValue) \(tensor.shape) \(digest.hexadecimal)\n"
        }
        var hash = SHA256()
        hash.update(data: Data(configuration.canonicalText.utf8))
        hash.update(data: Data(facts.utf8))
        for line in lines { hash.update(data: Data(line.utf8)) }
        return hash.finalize().hexadecimal
    }
}

extension Sequence<UInt8> {
    /// Two hexadecimal digits a byte.
    var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in self {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
