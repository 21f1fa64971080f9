import Foundation
import JSON
import Testing

@Suite("polyprompt bench")
struct BenchCommandTests {
    func run(_ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        let folder = try TemporaryFolder()
        let streams = ["out", "err"].map { folder.url.appendingPathComponent($0) }
        for stream in streams { try Data().write(to: stream) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Fixture.executable)
        process.arguments = ["bench"] + arguments
        process.standardOutput = try FileHandle(forWritingTo: streams[0])
        process.standardError = try FileHandle(forWritingTo: streams[1])
        try process.run()
        process.waitUntilExit()
        return (
            process.terminationStatus, try String(contentsOf: streams[0], encoding: .utf8),
            try String(contentsOf: streams[1], encoding: .utf8)
        )
    }

    @Test("prints a table and writes JSON, and says nothing on the way when piped")
    func table() throws {
        let folder = try TemporaryFolder()
        let result = try run([
            "classify", "--core", Fixture.core, "--threads", "2", "--seconds", "0.2", "--json",
            folder.path("result.json"),
        ])
        #expect(result.status == 0)
        #expect(result.errors == "")
        #expect(result.output.contains("requests/s"))
        let file = try #require(FileManager.default.contents(atPath: folder.path("result.json")))
        #expect(try JSONValue.parse(file).object?["workload"]?.string == "classify")
    }

    @Test("--json - leaves the table out")
    func standardOutput() throws {
        let result = try run(["generate", "--core", Fixture.core, "--rounds", "1", "--json", "-"])
        #expect(try JSONValue.parse(result.output).object?["workload"]?.string == "generate")
    }

    @Test(
        "refuses options that make no sense",
        arguments: [
            ["nonsense"], ["mixed", "--rounds", "0"], ["mixed", "--rounds", "1", "--seconds", "1"],
            ["kernels", "--requests", "file"], ["mixed", "--threads", "0"],
            ["mixed", "--core", "random:nothing"],
        ])
    func refusals(arguments: [String]) throws {
        let result = try run(arguments)
        #expect(result.status != 0)
        #expect(!result.errors.isEmpty)
        #expect(result.output == "")
    }
}
