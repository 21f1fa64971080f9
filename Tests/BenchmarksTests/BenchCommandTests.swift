import JSON
import TestSupport
import Testing

@Suite("polyprompt bench")
struct BenchCommandTests {
    private func run(_ arguments: [String]) throws -> Command {
        try Command.polyprompt(["bench"] + arguments)
    }

    @Test("prints a table and writes JSON, and says nothing on the way when piped")
    func table() throws {
        let folder = try TemporaryFolder()
        let result = try run([
            "classify", "--core", Repository.core, "--threads", "2", "--seconds", "0.2", "--json",
            folder.file("result.json"),
        ])
        #expect(result.status == 0)
        #expect(result.errors == "")
        #expect(result.output.contains("requests/s"))
        #expect(try folder.json("result.json")["workload"] == "classify")
    }

    @Test("--json - leaves the table out")
    func standardOutput() throws {
        let result = try run(["generate", "--core", Repository.core, "--rounds", "1", "--json", "-"])
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
