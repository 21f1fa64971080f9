import Foundation
import JSON
import TestSupport
import Testing

/// What ends a command early, and that it does so with a message and a status.
@Suite("Refusals of the command")
struct RefusalTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func registered(_ tasks: String...) throws -> String {
        let store = folder.file("store")
        let result = try Command.polyprompt(
            ["prompts", "register", "--core", Repository.core, "--store", store]
                + tasks.map(Repository.prompt))
        #expect(result.status == 0, "\(result.errors)")
        return store
    }

    @Test(
        "an option that there is not, or a value that it does not take, gives status 64 and the usage",
        arguments: [
            (["run", "--core", "x", "--colour", "blue"], "--colour"), (["run"], "--core"),
            (["run", "--core", "x", "--precision", "float64"], "float64"),
            (["run", "--core", "x", "--threads", "0"], "--threads"),
            (["run", "--core", "x", "--threads", "many"], "many"),
            (["run", "--core", "x", "--batch-rows", "0"], "--batch-rows"), (["serve-all"], "serve-all"),
            (["core", "probe", "--core", "x", "--precision", "int4"], "int4"),
            (["prompts", "register", "--core", "x", "--store", "y"], "folder|file"),
            (
                ["prompts", "register", "--core", "x", "--store", "y", "--element-type", "float8", "z"],
                "float8"
            ),
            (["prompts", "alias", "--store", "x", "name"], "--ensemble"),
            (
                ["prompts", "alias", "--store", "x", "name", "--ensemble", "a@1", "--combine", "median"],
                "median"
            ),
        ])
    func usage(arguments: [String], named: String) throws {
        let result = try Command.polyprompt(arguments)
        #expect(result.status == 64)
        #expect(result.output.isEmpty)
        #expect(
            result.errors.contains(named) && result.errors.contains("Usage: polyprompt"), "\(result.errors)")
    }

    @Test(
        "a prompt value beyond float32 ends a probe, naming line, row and column",
        arguments: ["1e39", "-1e200"])
    func probeRange(value: String) throws {
        let row = Array(repeating: "0.5", count: 255).joined(separator: ",")
        let input = """
            {"prompt": [[\(row),1]], "input_ids": [5, 1]}
            {"prompt": [[\(row),1],[\(row),\(value)]], "input_ids": [5, 1]}
            """
        let result = try Command.polyprompt(["core", "probe", "--core", Repository.core], input: input)
        #expect(result.status == 1)
        #expect(try result.lines.count == 1)
        #expect(
            result.errors.contains("standard input, line 2: ") && result.errors.contains("row 1, column 255"))
    }

    @Test("the example that the help shows is answered, and it is spam")
    func helpExample() throws {
        let help = try Command.polyprompt(["run", "--help"])
        #expect(help.status == 0)
        let example = try #require(help.output.split(separator: "\n").first { $0.contains("\"task\":") })
        let answer = try Command.polyprompt(
            ["run", "--core", Repository.core, "--store", registered("spam")], input: String(example))
        #expect(try answer.lines.first?["label"] == "spam", "\(example) \(answer.output)")
    }

    @Test("a run whose reader goes away ends with status 1, without a message")
    func closedOutput() throws {
        let store = try registered("spam")
        let process = Command.process("polyprompt", ["run", "--core", Repository.core, "--store", store])
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let line = Data("{\"task\": \"spam\", \"input\": \"hello\"}\n".utf8)
        // One answer comes; then nobody reads any more. The pipe's other end in this process would be a reader.
        input.fileHandleForWriting.write(line)
        #expect(!output.fileHandleForReading.availableData.isEmpty)
        try output.fileHandleForReading.close()
        input.fileHandleForWriting.write(line)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 1)
        let message = String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
        #expect(message.isEmpty, "\(message)")
    }

    @Test("an ensemble whose members' answers cannot become one is not made")
    func ensembles() throws {
        let store = try registered("spam", "sentiment")
        for name in ["free", "other"] {
            let bare = Repository.prompt("spam") + "/prompt.safetensors"
            let result = try Command.polyprompt([
                "prompts", "register", "--core", Repository.core, "--store", store, "--name", name, bare,
            ])
            #expect(result.status == 0, "\(result.errors)")
        }
        func alias(_ members: String, _ combine: String) throws -> Command {
            try Command.polyprompt([
                "prompts", "alias", "--store", store, "both", "--ensemble", members, "--combine", combine,
            ])
        }
        for (members, combine, reason) in [
            ("spam@1,sentiment@1", "mean", "sentiment@1 has other labels than spam@1"),
            ("spam@1,sentiment@1", "majority", "sentiment@1 has other labels than spam@1"),
            ("spam@1,free@1", "mean", "free@1 has other labels"),
            ("free@1,other@1", "mean", "use --combine majority"),
            ("spam", "mean", "names no version"), ("spam@1,none@1", "mean", "none@1"),
        ] {
            let refused = try alias(members, combine)
            #expect(refused.status == 1 && refused.errors.contains(reason), "\(refused.errors)")
        }
        #expect(try !Command.polyprompt(["prompts", "list", "--store", store]).output.contains("both"))
        #expect(try alias("free@1,other@1", "majority").status == 0)
    }
}
