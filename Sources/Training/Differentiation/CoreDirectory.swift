import Foundation
import JSON
import T5
import Tensors

/// Writes a core's directory beside its destination, then gives it its name.
struct CoreDirectory {
    /// The directory whose other files are copied.
    let source: String
    let destination: String

    /// What a tokenizer and `transformers` read beside the weights.
    private static let copied = [
        "config.json", "generation_config.json", "spiece.model", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json",
    ]

    /// - Parameter types: How to store a tensor of that name; float32 where none is given.
    func write(_ tensors: [StoredTensor], types: [String: StoredElementType]) throws {
        let files = FileManager.default
        guard files.fileExists(atPath: source + "/config.json") else {
            throw T5Error(.unwritable, "\(source) has no config.json to write with the core")
        }
        // Renaming replaces an empty directory only; anything else there stays.
        if files.fileExists(atPath: destination),
            try !(files.contentsOfDirectory(atPath: destination).isEmpty)
        {
            throw T5Error(.unwritable, "\(destination) exists already; name a directory that does not")
        }
        let partial = "\(destination).\(getpid()).partial"
        try? files.removeItem(atPath: partial)
        try files.createDirectory(atPath: partial, withIntermediateDirectories: true)
        do {
            for name in Self.copied where files.fileExists(atPath: "\(source)/\(name)") {
                try files.copyItem(atPath: "\(source)/\(name)", toPath: "\(partial)/\(name)")
            }
            try Self.writeSafetensors(tensors, types, to: "\(partial)/model.safetensors")
            guard rename(partial, destination) == 0 else {
                throw T5Error(.unwritable, "cannot write \(destination): \(String(cString: strerror(errno)))")
            }
        } catch {
            try? files.removeItem(atPath: partial)
            throw error
        }
    }

    /// A safetensors file (<https://huggingface.co/docs/safetensors>), synchronized with the disk.
    private static func writeSafetensors(
        _ tensors: [StoredTensor], _ types: [String: StoredElementType], to path: String
    ) throws {
        var header = JSONObject([("__metadata__", ["format": "pt"])])
        var end = 0
        for tensor in tensors {
            let type = types[tensor.name] ?? .float32
            let size = tensor.count * type.size
            header[tensor.name] = [
                "dtype": .string(type.safetensorsName), "shape": JSONValue(tensor.shape),
                "data_offsets": JSONValue([end, end + size]),
            ]
            end += size
        }
        var text = Data(JSONValue.object(header).line.utf8)
        // Spaces, so that the tensors are aligned.
        text.append(contentsOf: [UInt8](repeating: 0x20, count: (8 - text.count % 8) % 8))
        guard FileManager.default.createFile(atPath: path, contents: nil) else {
            throw T5Error(.unwritable, "cannot write \(path)")
        }
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { try? file.close() }
        try file.write(contentsOf: withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) } + text)
        for tensor in tensors {
            try (types[tensor.name] ?? .float32).write(tensor, to: file)
        }
        try file.synchronize()
    }
}

extension StoredElementType {
    fileprivate var safetensorsName: String {
        switch self {
        case .float32: "F32"
        case .float16: "F16"
        case .bfloat16: "BF16"
        }
    }

    /// Appends a float32 tensor's elements, a block at a time.
    fileprivate func write(_ tensor: StoredTensor, to file: FileHandle) throws {
        let block = 1 << 20
        for start in stride(from: 0, to: tensor.count, by: block) {
            let count = min(block, tensor.count - start)
            let values = UnsafeRawBufferPointer(rebasing: tensor.bytes[start * 4..<(start + count) * 4])
            try file.write(contentsOf: encoded(values))
        }
    }

    private func encoded(_ values: UnsafeRawBufferPointer) throws -> Data {
        switch self {
        case .float32: return Data(values)
        case .bfloat16:
            var data = Data(capacity: values.count / 2)
            for value in values.bindMemory(to: Float.self) {
                withUnsafeBytes(of: UInt16(bfloat16: value).littleEndian) { data.append(contentsOf: $0) }
            }
            return data
        case .float16:
            var data = Data(capacity: values.count / 2)
            for value in values.bindMemory(to: Float.self) {
                let rounded = Float16(value)
                guard rounded.isFinite else {
                    throw T5Error(.unwritable, "the value \(value) is beyond float16's range; write float32")
                }
                withUnsafeBytes(of: rounded.bitPattern.littleEndian) { data.append(contentsOf: $0) }
            }
            return data
        }
    }
}
