import Basics

/// A soft prompt as bytes: a header of 32 bytes and a zstd payload, named by the SHA-256 of both.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 4 | magic `PPFR` |
/// | 4 | 1 | format version, 1 |
/// | 5 | 1 | element type: 1 float32, 2 float16, 3 bfloat16, 4 int8 |
/// | 6 | 1 | layout: 1, byte planes |
/// | 7 | 1 | 0 |
/// | 8 | 4 | rows, little-endian as all numbers |
/// | 12 | 4 | width |
/// | 16 | 8 | bytes of the zstd payload, which ends the frame |
/// | 24 | 8 | XXH64 of the raw payload, seeded with the XXH64 of the 24 bytes before |
///
/// `docs/prompt-store.md` specifies the payload.
public struct PromptFrame: Sendable, Equatable {
    static let headerSize = 32
    private static let magic = Array("PPFR".utf8)
    private static let formatVersion: UInt8 = 1
    private static let layout: UInt8 = 1

    /// The frame.
    public let bytes: [UInt8]
    /// The SHA-256 of the frame, in 64 lower-case hexadecimal digits.
    public let hash: String
    /// The number of virtual tokens.
    public let rows: Int
    /// The core's `d_model`.
    public let width: Int
    /// How the values are held.
    public let elementType: PromptElementType

    /// Encodes a prompt; values are rounded to the nearest that the type can hold, ties to even.
    ///
    /// - Throws: `invalidPrompt` when a value is beyond the type's range.
    public init(_ prompt: SoftPrompt, as type: PromptElementType) throws(PromptStoreError) {
        let payload = try ElementCodec.payload(of: prompt, as: type)
        let sections = type.sections(rows: prompt.rows, width: prompt.width)
        let compressed = try PromptPayload.compress(PromptPayload.planes(of: payload, sections: sections))

        var bytes = Self.magic + [Self.formatVersion, type.code, Self.layout, 0]
        func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        append(UInt32(prompt.rows))
        append(UInt32(prompt.width))
        append(UInt64(compressed.count))
        append(payload.withUnsafeBytes { Self.checksum(header: bytes[...], payload: $0) })
        bytes += compressed

        self.bytes = bytes
        hash = bytes.withUnsafeBytes(Self.hash)
        rows = prompt.rows
        width = prompt.width
        elementType = type
    }

    /// A frame that came from elsewhere, decoded once to check it.
    ///
    /// - Throws: `invalidFrame`.
    public init(bytes: [UInt8]) throws(PromptStoreError) {
        let (prompt, type) = try Self.decode(bytes.span.bytes)
        self.bytes = bytes
        hash = bytes.withUnsafeBytes(Self.hash)
        rows = prompt.rows
        width = prompt.width
        elementType = type
    }

    /// The prompt, with values as rounded.
    public func decode() throws(PromptStoreError) -> SoftPrompt { try Self.decode(bytes.span.bytes).prompt }

    // MARK: Decoding

    struct Header {
        let elementType: PromptElementType
        let rows: Int
        let width: Int
        let checksum: UInt64

        /// Reads and checks a header against the size of its frame.
        init(_ frame: UnsafeRawBufferPointer) throws(PromptStoreError) {
            guard frame.count > headerSize else {
                throw PromptStoreError(
                    .invalidFrame, "a frame has more than \(headerSize) bytes, not \(frame.count)")
            }
            guard frame.starts(with: magic) else {
                throw PromptStoreError(.invalidFrame, "a frame begins with \"PPFR\"")
            }
            guard frame[4] == formatVersion else {
                throw PromptStoreError(
                    .invalidFrame,
                    "the frame has format version \(frame[4]), and this release reads \(formatVersion)")
            }
            guard let type = PromptElementType(code: frame[5]), frame[6] == layout, frame[7] == 0 else {
                throw PromptStoreError(
                    .invalidFrame,
                    "the frame has element type \(frame[5]), layout \(frame[6]) and reserved byte \(frame[7]),"
                        + " and 1 … 4, 1 and 0 are known")
            }
            func load<Integer: FixedWidthInteger & BitwiseCopyable>(_ offset: Int) -> Integer {
                Integer(littleEndian: frame.loadUnaligned(fromByteOffset: offset, as: Integer.self))
            }
            // 32-bit fields in 64-bit integers: no product of the bounds overflows.
            let shape: (UInt32, UInt32) = (load(8), load(12))
            if let reason = SoftPrompt.reasonAgainst(rows: Int(shape.0), width: Int(shape.1)) {
                throw PromptStoreError(.invalidFrame, reason)
            }
            let payloadSize: UInt64 = load(16)
            guard payloadSize == UInt64(frame.count - headerSize) else {
                throw PromptStoreError(
                    .invalidFrame,
                    "the frame has \(frame.count - headerSize) payload bytes and its header says \(payloadSize)"
                )
            }
            elementType = type
            rows = Int(shape.0)
            width = Int(shape.1)
            checksum = load(24)
        }
    }

    static func decode(
        _ frame: RawSpan
    ) throws(PromptStoreError) -> (prompt: SoftPrompt, type: PromptElementType) {
        let result = frame.withUnsafeBytes { frame in
            Result { () throws(PromptStoreError) in
                let header = try Header(frame)
                return (try decode(frame, header), header.elementType)
            }
        }
        let (prompt, type) = try result.get()
        return (prompt, type)
    }

    private static func decode(
        _ frame: UnsafeRawBufferPointer, _ header: Header
    ) throws(PromptStoreError) -> SoftPrompt {
        let (rows, width, type) = (header.rows, header.width, header.elementType)
        let planes = try PromptPayload.decompress(
            UnsafeRawBufferPointer(rebasing: frame[headerSize...]),
            count: type.payloadSize(rows: rows, width: width))
        let payload = PromptPayload.payload(of: planes, sections: type.sections(rows: rows, width: width))
        guard payload.withUnsafeBytes({ checksum(header: frame[..<24], payload: $0) }) == header.checksum
        else {
            throw PromptStoreError(.invalidFrame, "the frame's checksum does not fit its contents")
        }
        let values = payload.withUnsafeBytes {
            ElementCodec.values(of: $0, rows: rows, width: width, type: type)
        }
        guard let values else {
            throw PromptStoreError(.invalidFrame, "the frame has a value that is not finite")
        }
        return try SoftPrompt(rows: rows, width: width, values: values)
    }

    private static func checksum(header: Slice<UnsafeRawBufferPointer>, payload: UnsafeRawBufferPointer)
        -> UInt64
    {
        xxh64(payload, seed: xxh64(UnsafeRawBufferPointer(rebasing: header), seed: 0))
    }

    private static func checksum(header: ArraySlice<UInt8>, payload: UnsafeRawBufferPointer) -> UInt64 {
        header.withUnsafeBytes { xxh64(payload, seed: xxh64($0, seed: 0)) }
    }

    static func hash(_ frame: UnsafeRawBufferPointer) -> String {
        SHA256.digest(of: frame).hexadecimal
    }
}
