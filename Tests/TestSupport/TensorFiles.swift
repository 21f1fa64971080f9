import Foundation
import JSON

/// A tensor as a safetensors file stores it.
package struct FileTensor {
    /// The element type by the format's name, such as `F32`.
    package var type: String
    /// The length of each dimension.
    package var shape: [Int]
    /// The elements, little-endian.
    package var bytes: [UInt8]

    /// A tensor of any type.
    package init(type: String, shape: [Int], bytes: [UInt8]) {
        self.type = type
        self.shape = shape
        self.bytes = bytes
    }

    /// A tensor of float32.
    package init(shape: [Int], values: [Float]) {
        self.init(type: "F32", shape: shape, bytes: values.littleEndianBytes)
    }
}

/// Bytes of files of tensors. They are put together here and not by the library, whose readers are tested with them.
package enum TensorFile {
    /// A safetensors file of tensors, in the order given.
    package static func safetensors(
        _ tensors: [(name: String, tensor: FileTensor)], metadata: JSONObject? = nil
    ) -> [UInt8] {
        var header = JSONObject()
        header["__metadata__"] = metadata.map { .object($0) }
        var data: [UInt8] = []
        for (name, tensor) in tensors {
            header[name] = [
                "dtype": .string(tensor.type), "shape": JSONValue(tensor.shape),
                "data_offsets": JSONValue([data.count, data.count + tensor.bytes.count]),
            ]
            data += tensor.bytes
        }
        return safetensors(header: JSONValue.object(header).line, data: data)
    }

    /// A safetensors file with a header as it is given, right or wrong.
    package static func safetensors(header: String, length: UInt64? = nil, data: [UInt8]) -> [UInt8] {
        (length ?? UInt64(header.utf8.count)).littleEndianBytes + header.utf8 + data
    }

    /// A `.npy` file of a matrix of float32.
    package static func numpy(rows: Int, columns: Int, _ values: [Float]) -> [UInt8] {
        numpy(
            header: "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }",
            data: values.littleEndianBytes)
    }

    /// A `.npy` file of format 1 or 2 with a header as it is given, right or wrong.
    package static func numpy(header: String, version: UInt8 = 1, data: [UInt8]) -> [UInt8] {
        let length = header.utf8.count
        return [0x93] + "NUMPY".utf8 + [version, 0]
            + (version == 1 ? UInt16(length).littleEndianBytes : UInt32(length).littleEndianBytes)
            + header.utf8 + data
    }
}

extension FixedWidthInteger {
    /// The number's bytes, the lowest first.
    package var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }
}

extension [Float] {
    /// The bytes of all, one after the other.
    package var littleEndianBytes: [UInt8] { flatMap { $0.bitPattern.littleEndianBytes } }
}
