import CZstd

/// A raw payload's way to its compressed form and back: byte planes, then zstd.
///
/// The upper bytes of floating-point numbers (sign and exponent) resemble one another, the lower ones do not.
/// Putting all first bytes together, then all second ones, gives the compressor something to find.
enum PromptPayload {
    /// Written once, read often.
    private static let level: CInt = 19

    /// The bytes of each section regrouped: all first bytes of its elements, then all second bytes, and so on.
    static func planes(of payload: [UInt8], sections: [(count: Int, size: Int)]) -> [UInt8] {
        var planes: [UInt8] = []
        planes.reserveCapacity(payload.count)
        var start = 0
        for (count, size) in sections {
            for byte in 0..<size {
                for element in 0..<count { planes.append(payload[start + element * size + byte]) }
            }
            start += count * size
        }
        return planes
    }

    /// The reverse of `planes(of:sections:)`.
    static func payload(of planes: [UInt8], sections: [(count: Int, size: Int)]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: planes.count) { payload, initialized in
            planes.withUnsafeBufferPointer { planes in
                var start = 0
                for (count, size) in sections {
                    for byte in 0..<size {
                        for element in 0..<count {
                            payload[start + element * size + byte] = planes[start + byte * count + element]
                        }
                    }
                    start += count * size
                }
            }
            initialized = planes.count
        }
    }

    static func compress(_ bytes: [UInt8]) throws(PromptStoreError) -> [UInt8] {
        let capacity = ZSTD_compressBound(bytes.count)
        var result = 0
        let compressed = [UInt8](unsafeUninitializedCapacity: capacity) { output, initialized in
            result = ZSTD_compress(output.baseAddress, capacity, bytes, bytes.count, level)
            initialized = ZSTD_isError(result) == 0 ? result : 0
        }
        guard ZSTD_isError(result) == 0 else {
            throw PromptStoreError(.system, "zstd: \(String(cString: ZSTD_getErrorName(result)))")
        }
        return compressed
    }

    /// Decompresses one zstd frame that fills `bytes` and holds exactly `count` bytes, or says why it does not.
    static func decompress(
        _ bytes: UnsafeRawBufferPointer, count: Int
    ) throws(PromptStoreError) -> [UInt8] {
        // Both sizes are known before anything is allocated.
        let contentSize = ZSTD_getFrameContentSize(bytes.baseAddress, bytes.count)
        guard contentSize == UInt64(count) else {
            throw PromptStoreError(
                .invalidFrame, "its zstd data does not hold the \(count) bytes of its shape")
        }
        let compressedSize = ZSTD_findFrameCompressedSize(bytes.baseAddress, bytes.count)
        guard ZSTD_isError(compressedSize) == 0, compressedSize == bytes.count else {
            throw PromptStoreError(.invalidFrame, "its zstd data is cut short or followed by other bytes")
        }
        var result = 0
        let decompressed = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            result = ZSTD_decompress(output.baseAddress, count, bytes.baseAddress, bytes.count)
            initialized = ZSTD_isError(result) == 0 ? min(result, count) : 0
        }
        guard ZSTD_isError(result) == 0, decompressed.count == count else {
            throw PromptStoreError(.invalidFrame, "its zstd data is damaged")
        }
        return decompressed
    }
}
