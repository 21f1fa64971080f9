import JSON

/// A safetensors file's bytes: see ``SafetensorsFile`` for the format.
public enum SafetensorsWriter {
    /// A tensor to be written.
    public struct Tensor: Sendable {
        /// The tensor's name, unique in its file.
        public let name: String
        /// Extents, outermost first.
        public let shape: [Int]
        /// How the elements are stored.
        public let type: StoredElementType
        /// The elements, as many as the shape says; rounded to the nearest that the type can hold, ties to even.
        public let values: [Float]

        /// A tensor to be written.
        ///
        /// - Precondition: There are as many values as the shape says.
        public init(name: String, shape: [Int], type: StoredElementType = .float32, values: [Float]) {
            precondition(values.count == shape.reduce(1, *), "\(name) \(shape) has \(values.count) values")
            self.name = name
            self.shape = shape
            self.type = type
            self.values = values
        }
    }

    /// The whole file: the tensors one after the other, in the order given.
    public static func bytes(_ tensors: [Tensor], metadata: [(String, String)] = []) -> [UInt8] {
        var header = JSONObject()
        if !metadata.isEmpty {
            header["__metadata__"] = .object(JSONObject(metadata.map { ($0, .string($1)) }))
        }
        var offset = 0
        for tensor in tensors {
            let end = offset + tensor.values.count * tensor.type.size
            header[tensor.name] = [
                "dtype": .string(tensor.type.safetensorsName), "shape": JSONValue(tensor.shape),
                "data_offsets": JSONValue([offset, end]),
            ]
            offset = end
        }
        var text = JSONValue.object(header).lineBytes
        // The data begins at a multiple of 8 bytes, so that a reader can use it in place.
        while text.count % 8 != 0 { text.append(0x20) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(8 + text.count + offset)
        append(UInt64(text.count), to: &bytes)
        bytes += text
        for tensor in tensors { append(tensor, to: &bytes) }
        return bytes
    }

    private static func append(_ tensor: Tensor, to bytes: inout [UInt8]) {
        switch tensor.type {
        case .float32: for value in tensor.values { append(value.bitPattern, to: &bytes) }
        case .float16: for value in tensor.values { append(Float16(value).bitPattern, to: &bytes) }
        case .bfloat16:
            for value in tensor.values { append(UInt16(bfloat16: value), to: &bytes) }
        }
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
}

extension StoredElementType {
    /// The type's name in a safetensors header.
    fileprivate var safetensorsName: String {
        switch self {
        case .float32: "F32"
        case .float16: "F16"
        case .bfloat16: "BF16"
        }
    }
}
