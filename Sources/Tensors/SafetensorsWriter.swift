import Basics
import JSON

/// Writes safetensors files: see ``SafetensorsFile`` for the format.
public enum SafetensorsWriter {
    /// A tensor to be written.
    public struct Tensor: Sendable {
        /// The tensor's name, unique in its file.
        public let name: String
        /// Extents, outermost first.
        public let shape: [Int]
        /// How the elements are stored, each rounded to the nearest that the type can hold, ties to even.
        public let type: ElementType
        private let source: Source

        private enum Source {
            case values([Float])
            case stored(StoredTensor)
        }

        /// A tensor of values.
        ///
        /// - Precondition: There are as many values as the shape says.
        public init(name: String, shape: [Int], type: ElementType = .float32, values: [Float]) {
            precondition(values.count == shape.reduce(1, *), "\(name) \(shape) has \(values.count) values")
            self.name = name
            self.shape = shape
            self.type = type
            source = .values(values)
        }

        /// A tensor that is stored already, perhaps in another type.
        public init(_ stored: StoredTensor, type: ElementType) {
            name = stored.name
            shape = stored.shape
            self.type = type
            source = .stored(stored)
        }

        fileprivate var count: Int { shape.reduce(1, *) }

        /// Some of the elements as they stand in the file.
        fileprivate func bytes(_ range: Range<Int>) throws(TensorError) -> [UInt8] {
            let values =
                switch source {
                case .values(let values): Array(values[range])
                case .stored(let stored): stored.values(range)
                }
            do { return try type.encoded(values) } catch {
                throw TensorError(
                    "tensor \(name), element \(range.lowerBound + error.index): \(error.message)")
            }
        }
    }

    /// Elements that are in memory at a time.
    private static let block = 1 << 18

    /// Writes a file of the tensors, one after the other in the order given. It is there whole or not at all, but
    /// for a stream.
    ///
    /// - Throws: `TensorError` when the file cannot be written, or a tensor's type cannot hold a value.
    public static func write(
        _ tensors: [Tensor], metadata: [(String, String)] = [], to path: String
    ) throws(TensorError) {
        do {
            let file = try OutputFile(path: path)
            let header = header(tensors, metadata)
            try file.write(withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) } + header)
            for tensor in tensors {
                for start in stride(from: 0, to: tensor.count, by: block) {
                    try file.write(try tensor.bytes(start..<min(start + block, tensor.count)))
                }
            }
            try file.commit()
        } catch let error as TensorError {
            throw error.at("cannot write \(path)")
        } catch {
            throw TensorError(wrapping: error)
        }
    }

    /// The header's JSON, filled up with spaces so that the data begins at a multiple of 8 bytes and a reader can use
    /// it in place.
    private static func header(_ tensors: [Tensor], _ metadata: [(String, String)]) -> [UInt8] {
        var header = JSONObject()
        if !metadata.isEmpty {
            header["__metadata__"] = .object(JSONObject(metadata.map { ($0, .string($1)) }))
        }
        var offset = 0
        for tensor in tensors {
            let end = offset + tensor.count * tensor.type.size
            header[tensor.name] = [
                "dtype": .string(tensor.type.safetensorsName), "shape": JSONValue(tensor.shape),
                "data_offsets": JSONValue([offset, end]),
            ]
            offset = end
        }
        let text = JSONValue.object(header).lineBytes
        return text + [UInt8](repeating: 0x20, count: (8 - text.count % 8) % 8)
    }
}

extension ElementType {
    /// The type's name in a safetensors header.
    var safetensorsName: String {
        switch self {
        case .float32: "F32"
        case .float16: "F16"
        case .bfloat16: "BF16"
        }
    }
}
