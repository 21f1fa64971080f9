import JSON

/// A safetensors file: an 8-byte little-endian header length, a JSON header, then the tensors' bytes.
///
/// The header is not trusted: offsets must lie inside the file, agree with shape and element type, and cover
/// the data without gap or overlap, as the format's reference reader demands
/// (<https://huggingface.co/docs/safetensors>).
public final class SafetensorsFile: Sendable {
    /// A tensor's place in the file.
    public struct Entry: Sendable, Equatable {
        /// The element type as the header spells it: "F32", "BF16", "I64" …
        public let elementType: String
        /// Extents, outermost first; empty for a scalar.
        public let shape: [Int]
        /// Bytes from the file's start.
        package let range: Range<Int>
    }

    /// Largest header accepted, in bytes; the reference reader's limit.
    public static let maximumHeaderSize = 100_000_000

    /// Where the file is.
    public var path: String { file.path }
    /// The header's `__metadata__`.
    public let metadata: [String: String]
    /// The tensors by name.
    public let entries: [String: Entry]

    private let file: MappedFile

    /// Maps the file and checks its whole header.
    public init(path: String) throws(TensorError) {
        file = try MappedFile(path: path)
        let bytes = file.bytes
        func malformed(_ what: String) -> TensorError {
            TensorError("\(path) is not a valid safetensors file: \(what)")
        }
        guard bytes.count >= 8 else { throw malformed("it has \(bytes.count) bytes, at least 8 are needed") }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= Self.maximumHeaderSize, Int(length) <= bytes.count - 8 else {
            throw malformed(
                "its header claims \(length) bytes, the file has \(bytes.count - 8) after the length")
        }
        let dataStart = 8 + Int(length)
        let header: JSONObject
        do {
            let bytes = UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart])
            guard let object = try JSONValue.parse(bytes).object else {
                throw malformed("its header is not a JSON object")
            }
            header = object
        } catch let error as JSONError {
            throw malformed("its header is not JSON: \(error)")
        } catch let error as TensorError {
            throw error
        } catch {
            throw malformed("\(error)")
        }

        var metadata: [String: String] = [:]
        var entries: [String: Entry] = [:]
        for (name, value) in header {
            if name == "__metadata__" {
                guard let members = value.object else { throw malformed("__metadata__ is not an object") }
                for (key, value) in members {
                    guard let text = value.string else {
                        throw malformed("__metadata__.\(key) is not a string")
                    }
                    metadata[key] = text
                }
                continue
            }
            do {
                entries[name] = try Self.entry(value, dataStart: dataStart, fileSize: bytes.count)
            } catch {
                throw malformed("tensor \(name): \(error.message)")
            }
        }
        var end = dataStart
        for (name, entry) in entries.sorted(by: {
            ($0.value.range.lowerBound, $0.value.range.upperBound) < (
                $1.value.range.lowerBound, $1.value.range.upperBound
            )
        }) {
            guard entry.range.lowerBound >= end else { throw malformed("tensor \(name) overlaps another") }
            guard entry.range.lowerBound == end else {
                throw malformed(
                    "there is a gap of \(entry.range.lowerBound - end) bytes before tensor \(name)")
            }
            end = entry.range.upperBound
        }
        guard end == bytes.count else { throw malformed("\(bytes.count - end) bytes follow the last tensor") }
        self.metadata = metadata
        self.entries = entries
    }

    /// Reads one header entry. Thrown messages lack the file and tensor, which the caller adds.
    private static func entry(
        _ value: JSONValue, dataStart: Int, fileSize: Int
    ) throws(TensorError) -> Entry {
        func malformed(_ what: String) -> TensorError { TensorError(what) }
        guard let object = value.object else { throw malformed("its entry is not an object") }
        guard let type = object["dtype"]?.string else { throw malformed("dtype is not a string") }
        guard let bits = bitWidths[type] else { throw malformed("dtype \(type) is unknown") }
        guard let extents = object["shape"]?.array else { throw malformed("shape is not an array") }
        var shape: [Int] = []
        var size = bits
        for extent in extents {
            guard let extent = extent.int, extent >= 0 else {
                throw malformed("shape holds something that is not a size")
            }
            let (product, overflow) = size.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw malformed("its shape overflows") }
            size = product
            shape.append(extent)
        }
        guard size % 8 == 0 else { throw malformed("its size is not a whole number of bytes") }
        guard let offsets = object["data_offsets"]?.array, offsets.count == 2, let begin = offsets[0].int,
            let end = offsets[1].int, begin >= 0, begin <= end
        else { throw malformed("data_offsets is not a pair of ascending sizes") }
        guard end <= fileSize - dataStart else {
            throw malformed("its data ends at \(end), the file's data has \(fileSize - dataStart) bytes")
        }
        guard end - begin == size / 8 else {
            throw malformed("data_offsets span \(end - begin) bytes, \(type) \(shape) takes \(size / 8)")
        }
        return Entry(elementType: type, shape: shape, range: dataStart + begin..<dataStart + end)
    }

    /// Bits an element of each dtype of the format takes.
    private static let bitWidths: [String: Int] = [
        "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
        "F16": 16,
        "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4,
        "F6_E2M3": 6, "F6_E3M2": 6,
    ]

    /// Tells the system that the file's pages are not needed in memory for now; reading brings them back.
    package func release() { file.release() }

    /// The tensor of that name, `nil` when the file has none.
    ///
    /// Throws `unsupported` when its elements are not float32, float16 or bfloat16.
    public func tensor(_ name: String) throws(TensorError) -> StoredTensor? {
        guard let entry = entries[name] else { return nil }
        let types: [String: StoredElementType] = ["F32": .float32, "F16": .float16, "BF16": .bfloat16]
        guard let type = types[entry.elementType] else {
            throw TensorError(
                "\(path): tensor \(name) has dtype \(entry.elementType); F32, F16 or BF16 was expected")
        }
        return StoredTensor(
            name: name, elementType: type, shape: entry.shape, path: path,
            bytes: UnsafeRawBufferPointer(rebasing: file.bytes[entry.range]), owner: file)
    }
}
