import Foundation
import Tensors
import TestSupport
import Testing

@Suite("Safetensors files")
struct SafetensorsFileTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Writes a file of a header and so many data bytes, and returns its path.
    private func write(_ header: String, dataBytes: Int, headerLength: UInt64? = nil) throws -> String {
        let data = (0..<dataBytes).map { UInt8(truncatingIfNeeded: $0) }
        return try folder.write(
            "file.safetensors", TensorFile.safetensors(header: header, length: headerLength, data: data))
    }

    private func message(_ header: String, dataBytes: Int, headerLength: UInt64? = nil) throws -> String {
        let path = try write(header, dataBytes: dataBytes, headerLength: headerLength)
        do {
            _ = try SafetensorsFile(path: path)
            return "accepted"
        } catch {
            #expect(error.message.contains(path), "the message names the file")
            return error.message
        }
    }

    @Test("float32, float16 and bfloat16 tensors are read, at any alignment")
    func elementTypes() throws {
        // The 1-byte tensor before them puts the others at odd offsets.
        let header = #"""
            {"__metadata__":{"a":"b"},"pad":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
            "f32":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},
            "f16":{"dtype":"F16","shape":[4],"data_offsets":[9,17]},
            "bf16":{"dtype":"BF16","shape":[1,2],"data_offsets":[17,21]}}
            """#
        var data: [UInt8] = [0] + ([1.5, -2] as [Float]).littleEndianBytes
        // 1.5, the least subnormal, infinity, -2; then 1.5 and -2 in bfloat16.
        for bits in [0x3E00, 0x0001, 0x7C00, 0xC000, 0x3FC0, 0xC000] as [UInt16] {
            data += bits.littleEndianBytes
        }
        let path = try folder.write(
            "types.safetensors", TensorFile.safetensors(header: header, data: data))

        let file = try SafetensorsFile(path: path)
        #expect(file.metadata.count == 1 && file.metadata["a"] == "b")
        #expect(try file.tensor("f32")?.values() == [1.5, -2])
        #expect(try file.tensor("f16")?.values() == [1.5, 0x1p-24, .infinity, -2])
        #expect(try file.tensor("bf16")?.values() == [1.5, -2])
        #expect(try file.tensor("bf16")?.shape == [1, 2])
        #expect(try file.tensor("none")?.values() == nil)
        #expect(throws: TensorError.self) { try file.tensor("pad") }
    }

    @Test(
        "headers that lie are refused",
        arguments: [
            // data past the end, a 10 GB shape in a small file, and sizes that overflow
            (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4, "the file's data has 4"),
            (
                #"{"a":{"dtype":"F32","shape":[2621440000],"data_offsets":[0,10485760000]}}"#, 4,
                "ends at 10485760000"
            ),
            (#"{"a":{"dtype":"F32","shape":[9223372036854775807,4],"data_offsets":[0,4]}}"#, 4, "overflows"),
            (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#, 0, "overflows"),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,99999999999999999999]}}"#, 4,
                "data_offsets"
            ),
            (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "shape"),
            (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4, "shape"),
            // shape and offsets that disagree
            (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4, "span 4 bytes"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4, "ascending"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 4, "data_offsets"),
            // overlap, gap, surplus
            (
                #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
                8, "overlaps"
            ),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#,
                12, "gap"
            ),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 8, "follow the last tensor"),
            // types and structure
            (#"{"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#, 4, "dtype F99"),
            (#"{"a":{"dtype":3,"shape":[1],"data_offsets":[0,4]}}"#, 4, "dtype"),
            (#"{"a":[]}"#, 0, "\"a\": an empty array was found, an object"),
            (#"{"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}}"#, 4, "shape"),
            (#"{"__metadata__":{"a":1}}"#, 0, "__metadata__.a"),
            (#"["#, 0, "not JSON"), (#"[]"#, 0, "an empty array was found, an object"),
            (
                #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
                4, "duplicate"
            ),
        ])
    func lyingHeaders(header: String, dataBytes: Int, expected: String) throws {
        let message = try message(header, dataBytes: dataBytes)
        #expect(message.contains(expected), "\(message)")
    }

    @Test("dimensions and the header's bytes have limits, which are named")
    func limits() throws {
        func header(_ dimensions: Int) -> String {
            let shape = Array(repeating: "1", count: dimensions).joined(separator: ",")
            return #"{"a":{"dtype":"F32","shape":[\#(shape)],"data_offsets":[0,4]}}"#
        }
        let most = SafetensorsFile.maximumDimensions
        #expect(try message(header(most), dataBytes: 4) == "accepted")
        #expect(try message(header(most + 1), dataBytes: 4).contains("65 dimensions, at most 64 are read"))
        let length = UInt64(SafetensorsFile.maximumHeaderSize)
        #expect(try message("{}", dataBytes: 0, headerLength: length).contains("the file has 2"))
        #expect(
            try message("{}", dataBytes: 0, headerLength: length + 1).contains("at most 100000000 are read"))
    }

    @Test("names in NFC and NFD are two tensors")
    func names() throws {
        let header =
            "{\"\u{E9}\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            + "\"e\u{301}\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}"
        let file = try SafetensorsFile(path: write(header, dataBytes: 8))
        #expect(file.entries.count == 2)
        #expect(
            file.entries["\u{E9}"]?.range.lowerBound ?? 0 < file.entries["e\u{301}"]?.range.lowerBound ?? 0)
    }

    @Test("header lengths that lie are refused", arguments: [3, 100, 1 << 40, UInt64.max])
    func headerLength(length: UInt64) throws {
        let message = try message("{}", dataBytes: 0, headerLength: length)
        #expect(message.contains("safetensors"), "\(message)")
    }

    @Test("files without a header are refused")
    func noHeader() throws {
        let path = folder.file("short.safetensors")
        for bytes in [Data(), Data([1]), Data(repeating: 0, count: 8)] {
            try bytes.write(to: URL(fileURLWithPath: path))
            #expect(throws: TensorError.self) { try SafetensorsFile(path: path) }
        }
        unlink(path)
        #expect(throws: TensorError.self) { try SafetensorsFile(path: path) }
        #expect(throws: TensorError.self) { try SafetensorsFile(path: "/tmp") }
    }

    @Test("no mutation of a valid header crashes the reader")
    func mutations() throws {
        let header = #"{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#
        let path = try write(header, dataBytes: 8)
        let original = try Data(contentsOf: URL(fileURLWithPath: path))
        var accepted = 0
        for index in original.indices {
            for bit in 0..<8 {
                var mutated = original
                mutated[index] ^= 1 << bit
                try mutated.write(to: URL(fileURLWithPath: path))
                if let file = try? SafetensorsFile(path: path) {
                    accepted += 1
                    for name in file.entries.keys.map(\.string) { _ = try? file.tensor(name)?.values() }
                }
            }
        }
        // Only the data, the tensor's name, white space and one-letter type changes survive.
        #expect(accepted > 0 && accepted < original.count * 4)
    }
}
