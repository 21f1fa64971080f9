import Basics
import Tensors
import TestSupport
import Testing

@Suite("Written safetensors files")
struct SafetensorsWriterTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("hold the tensors, also more of them than are converted at a time", arguments: ElementType.allCases)
    func roundTrip(type: ElementType) throws {
        let path = folder.file("file.safetensors")
        let long = (0..<600_001).map { Float($0 % 256) }
        try SafetensorsWriter.write(
            [
                .init(name: "b", shape: [3, 0], values: []),
                .init(name: "a", shape: [600_001], type: type, values: long),
                .init(name: "scalar", shape: [], values: [0.1]),
            ], metadata: [("key", "value")], to: path)
        let file = try SafetensorsFile(path: path)
        #expect(file.metadata.count == 1 && file.metadata["key"] == "value")
        #expect(try file.tensor("a")?.elementType == type)
        #expect(try file.tensor("a")?.values() == long)
        #expect(try file.tensor("b")?.shape == [3, 0])
        #expect(try file.tensor("scalar")?.values() == [0.1])

        // A stored tensor in another type.
        let stored = try #require(try file.tensor("a"))
        try SafetensorsWriter.write([.init(stored, type: .float32)], to: folder.file("copy"))
        #expect(try SafetensorsFile(path: folder.file("copy")).tensor("a")?.values() == long)
    }

    @Test("are refused with a value that the type cannot hold, and what was there stays")
    func range() throws {
        let path = folder.file("file.safetensors")
        try SafetensorsWriter.write([.init(name: "a", shape: [1], values: [1])], to: path)
        let error = #expect(throws: TensorError.self) {
            try SafetensorsWriter.write(
                [
                    .init(
                        name: "a", shape: [300_000], type: .float16,
                        values: [Float](repeating: 1, count: 299_999) + [1e5])
                ],
                to: path)
        }
        #expect(
            error?.message.contains("tensor a, element 299999: the value 100000.0 is beyond float16's range")
                ?? false)
        #expect(try SafetensorsFile(path: path).tensor("a")?.values() == [1])
    }

    @Test("that cannot be written are named")
    func unwritable() {
        let error = #expect(throws: TensorError.self) {
            try SafetensorsWriter.write([], to: folder.file("missing/file"))
        }
        #expect(error?.message.contains("missing/file: No such file or directory") ?? false)
    }
}
