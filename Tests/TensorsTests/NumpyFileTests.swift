import Foundation
import Tensors
import TestSupport
import Testing

@Suite("NumPy files")
struct NumpyFileTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ header: String, data: [UInt8], version: UInt8 = 1) throws -> String {
        try folder.write(
            "\(header.hashValue).npy", TensorFile.numpy(header: header, version: version, data: data))
    }

    @Test(
        "matrices of float32 and float16 are read, in header versions 1 and 2", arguments: [1, 2] as [UInt8])
    func matrices(version: UInt8) throws {
        let path = try write(
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }\n",
            data: [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0], version: version)
        let matrix = try NumpyFile.readMatrix(path: path)
        #expect(matrix.rows == 2 && matrix.columns == 1 && matrix.values == [1, -2])
        let half = try write(
            "{'descr': '<f2', 'fortran_order': False, 'shape': (1, 2), }\n", data: [0, 0x3C, 0, 0xC0])
        #expect(try NumpyFile.readMatrix(path: half).values == [1, -2])
    }

    @Test(
        "what is not a row-major float matrix is refused",
        arguments: [
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }", "<f8"),
            ("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", "column-major"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", "matrix"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", "does not agree"),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9), }",
                "does not agree"
            ),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1), }", "matrix"),
            ("{'descr': '<f4'}", "lacks"), ("", "lacks"),
        ])
    func refused(header: String, expected: String) throws {
        let path = try write(header, data: [0, 0, 0, 0])
        do {
            _ = try NumpyFile.readMatrix(path: path)
            Issue.record("accepted")
        } catch {
            #expect(error.message.contains(expected), "\(error.message)")
            #expect(error.message.contains(path))
        }
    }

    @Test("no truncation of a valid file crashes the reader")
    func truncations() throws {
        let path = try write(
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }", data: [0, 0, 0, 0])
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        for length in 0..<whole.count {
            try whole.prefix(length).write(to: URL(fileURLWithPath: path))
            #expect(throws: TensorError.self) { try NumpyFile.readMatrix(path: path) }
        }
    }
}
