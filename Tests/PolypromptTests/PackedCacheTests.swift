import Foundation
import TestSupport
import Testing

@Suite("Cache of packed cores")
struct PackedCacheTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func answer(_ cache: String) throws -> String {
        let request = #"{"task": null, "input": "hello there", "labels": ["yes", "no"]}"#
        let result = try Command.polyprompt(
            ["run", "--core", Repository.core, "--precision", "bfloat16"], input: request,
            environment: ["POLYPROMPT_CACHE": cache])
        #expect(result.status == 0, "\(result.errors)")
        return result.output
    }

    @Test("a core is packed once; a cache file that is damaged in any part is packed anew")
    func damage() throws {
        let cache = folder.file("cache")
        let reference = try answer(cache)
        let files = try FileManager.default.contentsOfDirectory(atPath: cache)
        #expect(
            files.count == 1 && files[0].contains("-bfloat16-") && files[0].hasSuffix(".packed"), "\(files)")
        let path = "\(cache)/\(files[0])"
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(try answer(cache) == reference)
        for position in [0, 9, 20, 60, 100, 5000, whole.count / 2, whole.count - 1] {
            var damaged = whole
            damaged[position] ^= 1
            try damaged.write(to: URL(fileURLWithPath: path))
            #expect(try answer(cache) == reference)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == whole, "byte \(position)")
        }
        for length in [0, 10, 4096, whole.count - 1] {
            try whole.prefix(length).write(to: URL(fileURLWithPath: path))
            #expect(try answer(cache) == reference)
        }
        try (whole + Data([0])).write(to: URL(fileURLWithPath: path))
        #expect(try answer(cache) == reference)
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache) == files)
    }

    @Test("a cache that cannot be written changes nothing")
    func unwritable() throws {
        let file = try folder.write("file", "")
        #expect(try answer(file) == (try answer(folder.file("cache"))))
    }
}
