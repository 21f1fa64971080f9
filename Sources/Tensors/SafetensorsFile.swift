import Basics
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
    /// Most dimensions of a tensor; NumPy has 64, PyTorch as many.
    public static let maximumDimensions = 64
    /// Most tensors in a file.
    public static let maximumTensors = 100_000

    /// Where the file is.
    public var path: String { file.path }
    /// The header's `__metadata__`.
    public let metadata: [ByteText: String]
    /// The tensors by name.
    public let entries: [ByteText: Entry]

    private let file: MappedFile

    /// Maps the file and checks its whole header.
    public init(path: String) throws(TensorError) {
        file = try TensorError.mapping(path)
        let bytes = file.bytes
        func malformed(_ what: String) -> TensorError {
            TensorError("\(path) is not a valid safetensors file: \(what)")
        }
        guard bytes.count >= 8 else { throw malformed("it has \(bytes.count) bytes, at least 8 are needed") }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= Self.maximumHeaderSize else {
            throw malformed("its header claims \(length) bytes, at most \(Self.maximumHeaderSize) are read")
        }
        guard Int(length) <= bytes.count - 8 else {
            throw malformed(
                "its header claims \(length) bytes, the file has \(bytes.count - 8) after the length")
        }
        let dataStart = 8 + Int(length)
        let header = try ObjectReader(
            parsing: UnsafeRawBufferPointer(rebasing: bytes[8..<dataStart]), failure: malformed)
        guard header.object.count <= Self.maximumTensors + 1 else {
            throw malformed("it has more than \(Self.maximumTensors) tensors")
        }
        var metadata: [ByteText: String] = [:]
        if let members = try header["__metadata__"]?.object() {
            for key in members.object.keys { metadata[key] = try members.require(key).string() }
        }
        var entries: [ByteText: Entry] = [:]
        for name in header.object.keys where !name.isSame(as: "__metadata__") {
            entries[name] = try Self.entry(
                header.require(name).object(), name.excerpt, dataStart: dataStart, fileSize: bytes.count)
        }
        var end = dataStart
        for (name, entry) in entries.map({ (name: $0.key.string.excerpt, value: $0.value) }).sorted(by: {
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

    private static func entry(
        _ reader: ObjectReader<TensorError>, _ name: String, dataStart: Int, fileSize: Int
    ) throws(TensorError) -> Entry {
        func malformed(_ what: String) -> TensorError { reader.refusal("tensor \(name): \(what)") }
        let type = try reader.require("dtype").string()
        guard let bits = bitWidths[type] else { throw malformed("dtype \(type.excerpt) is unknown") }
        let shape = try reader.require("shape").integers(in: 0...Int.max)
        guard shape.count <= maximumDimensions else {
            throw malformed("it has \(shape.count) dimensions, at most \(maximumDimensions) are read")
        }
        var size = bits
        for extent in shape {
            let (product, overflow) = size.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw malformed("its shape overflows") }
            size = product
        }
        guard size % 8 == 0 else { throw malformed("its size is not a whole number of bytes") }
        let offsets = try reader.require("data_offsets").integers(in: 0...Int.max, count: 2...2)
        let (begin, end) = (offsets[0], offsets[1])
        guard begin <= end else { throw malformed("its data_offsets are not ascending") }
        guard end <= fileSize - dataStart else {
            throw malformed("its data ends at \(end), the file's data has \(fileSize - dataStart) bytes")
        }
        guard end - begin == size / 8 else {
            throw malformed(
                "data_offsets span \(end - begin) bytes, \(type) \(shape.shown) takes \(size / 8)")
        }
        return Entry(elementType: type, shape: shape, range: dataStart + begin..<dataStart + end)
    }

    /// Bits an element of each dtype of the format takes.
    private static let bitWidths: [ByteText: Int] = Dictionary(
        uniqueKeysWithValues: [
            "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
            "F16": 16,
            "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4,
            "F6_E2M3": 6, "F6_E3M2": 6,
        ].map { (ByteText($0), $1) })

    /// Tells the system that the file's pages are not needed in memory for now; reading brings them back.
    package func release() { file.release() }

    /// The tensor of that name, `nil` when the file has none.
    ///
    /// Throws `unsupported` when its elements are not float32, float16 or bfloat16.
    public func tensor(_ name: String) throws(TensorError) -> StoredTensor? {
        guard let entry = entries[name] else { return nil }
        guard let type = ElementType.allCases.first(where: { $0.safetensorsName == entry.elementType }) else {
            throw TensorError(
                "\(path): tensor \(name.excerpt) has dtype \(entry.elementType); F32, F16 or BF16 was expected"
            )
        }
        return StoredTensor(
            name: name, elementType: type, shape: entry.shape, path: path,
            bytes: UnsafeRawBufferPointer(rebasing: file.bytes[entry.range]), owner: file)
    }
}
