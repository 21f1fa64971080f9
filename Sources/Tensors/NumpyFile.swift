import Basics

/// Reads NumPy's `.npy` format (versions 1 to 3): a magic string, a header that is a Python dictionary in
/// text, then the elements (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).
public enum NumpyFile {
    /// Reads a matrix of little-endian float32 or float16 in row-major order.
    ///
    /// - Returns: The extents and the elements widened to float32.
    public static func readMatrix(path: String) throws(TensorError) -> (
        rows: Int, columns: Int, values: [Float]
    ) {
        let file = try TensorError.mapping(path)
        let bytes = file.bytes
        func malformed(_ what: String) -> TensorError {
            TensorError("\(path) is not a valid .npy file: \(what)")
        }
        guard bytes.count >= 10, bytes[0] == 0x93, bytes[1..<6].elementsEqual("NUMPY".utf8) else {
            throw malformed("it does not begin with the .npy magic string")
        }
        let wide = bytes[6] > 1
        guard (1...3).contains(bytes[6]), bytes.count >= (wide ? 12 : 10) else {
            throw malformed("its format version \(bytes[6]) is unknown")
        }
        let length =
            wide
            ? Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
            : Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
        let start = wide ? 12 : 10
        guard length <= 65_536, length <= bytes.count - start else {
            throw malformed("its header claims \(length) bytes, the file has \(bytes.count - start)")
        }
        let header = UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
        guard let type = field("descr", of: header), let order = field("fortran_order", of: header),
            let shape = field("shape", of: header)
        else { throw malformed("its header lacks descr, fortran_order or shape") }
        guard
            let elementType = [("'<f4'", ElementType.float32), ("'<f2'", .float16)].first(where: {
                $0.0.isSame(as: type)
            })?.1
        else {
            throw TensorError("\(path) has elements of type \(type.excerpt); '<f4' or '<f2' was expected")
        }
        guard order.isSame(as: "False") else {
            throw TensorError("\(path) is in column-major order; save it with order='C'")
        }
        let extents = shape.utf8.dropFirst().dropLast().split(separator: UInt8(ascii: ",")).map { part in
            Int(String(decoding: part.filter { $0 != 0x20 }, as: UTF8.self))
        }
        guard extents.count == 2, let rows = extents[0], let columns = extents[1], rows >= 0, columns >= 0
        else {
            throw TensorError("\(path) has shape \(shape.excerpt); a matrix [rows, width] was expected")
        }
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        let available = (bytes.count - start - length) / elementType.size
        guard !overflow, count == available, (bytes.count - start - length) % elementType.size == 0 else {
            throw malformed(
                "shape \(shape.excerpt) does not agree with the \(bytes.count - start - length) bytes of data"
            )
        }
        let values = [Float](unsafeUninitializedCapacity: count) { storage, initialized in
            if let first = storage.baseAddress {
                elementType.widen(UnsafeRawBufferPointer(rebasing: bytes[(start + length)...]), into: first)
            }
            initialized = count
        }
        return (rows, columns, values)
    }

    /// The text of a value in the header's dictionary.
    private static func field(_ name: String, of header: UnsafeRawBufferPointer) -> String? {
        let key = Array("'\(name)':".utf8)
        guard let range = header.firstRange(of: key) else { return nil }
        let rest = header[range.upperBound...].drop { $0 == 0x20 }
        if rest.first == UInt8(ascii: "(") {
            guard let close = rest.firstIndex(of: UInt8(ascii: ")")) else { return nil }
            return String(decoding: rest[...close], as: UTF8.self)
        }
        let value = rest.prefix { $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "}") && $0 != 0x20 }
        return String(decoding: value, as: UTF8.self)
    }
}
