import Foundation
import JSON
import TestSupport
import Testing

@Suite("polyprompt run")
struct RunCommandTests {
    let folder: TemporaryFolder
    let store: String

    init() throws {
        folder = try TemporaryFolder()
        store = folder.file("store")
        let registered = try Command.polyprompt(
            ["prompts", "register", "--core", Repository.core, "--store", store]
                + ["spam", "sentiment"].map(Repository.prompt))
        #expect(registered.status == 0, "\(registered.errors)")
        #expect(registered.output == "spam@1\nsentiment@1\n")
    }

    private var arguments: [String] { ["run", "--core", Repository.core, "--store", store] }

    @Test("answers come in order; a failed request gives status 2, a summary goes to standard error")
    func answers() throws {
        let good =
            #"{"id": 1, "task": "spam", "input": "CONGRATULATIONS! You have won a £2000 prize. To claim call 0800 now"}"#
        let bad = #"{"id": 2, "task": "eggs", "input": "x"}"#
        let both = try Command.polyprompt(arguments, input: "\(good)\n\n\(bad)\n{\n")
        #expect(both.status == 2)
        let lines = try both.lines
        #expect(lines.count == 3)
        #expect(lines[0]["label"] == "spam")
        #expect(lines[1]["error"]?.object?["code"] == "unknown_task")
        #expect(lines[2]["error"]?.object?["code"] == "invalid_json")
        #expect(both.errors.contains("3 requests (2 with an error) for 1 task"))
        #expect(both.errors.contains("requests/s"))
        #expect(!both.errors.contains("\u{1B}"), "no progress where there is no terminal")

        let input = try folder.write("in.jsonl", good + "\n")
        let output = folder.file("out.jsonl")
        let file = try Command.polyprompt(arguments + ["--input", input, "--output", output])
        #expect(file.status == 0 && file.output.isEmpty)
        #expect(
            try String(contentsOfFile: output, encoding: .utf8) == both.output.split(separator: "\n")[0]
                + "\n")
    }

    @Test("an oversized line is an error, and the lines after it are answered")
    func oversizedLine() throws {
        let line = #"{"task": "spam", "input": "hello"}"#
        let long = #"{"task": "spam", "input": ""# + String(repeating: "a", count: 9 << 20) + "\"}"
        let result = try Command.polyprompt(arguments, input: "\(line)\n\(long)\n\(line)\n")
        let lines = try result.lines
        #expect(lines.map { $0["error"]?.object?["code"] } == [nil, "line_too_long", nil])
    }

    @Test("a process that serves sees at once what another publishes")
    func publishedByAnotherProcess() throws {
        let process = Command.process("polyprompt", arguments)
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        func ask(_ task: String) throws -> JSONObject? {
            input.fileHandleForWriting.write(
                Data("{\"task\": \"\(task)\", \"input\": \"it was great\"}\n".utf8))
            var line = Data()
            while line.last != 0x0A {
                let data = output.fileHandleForReading.availableData
                guard !data.isEmpty else { break }
                line += data
            }
            return try JSONValue.parse(line).object
        }
        #expect(try ask("mood")?["error"] != nil)
        for version in 1...2 {
            let type = version == 1 ? "float32" : "int8"
            let registered = try Command.polyprompt([
                "prompts", "register", "--core", Repository.core, "--store", store, "--name", "mood",
                "--element-type", type, Repository.prompt("sentiment"),
            ])
            #expect(registered.output == "mood@\(version)\n", "\(registered.errors)")
            let answer = try ask("mood")
            #expect(answer?["version"]?.int == version)
            #expect(answer?["label"] == "positive")
        }
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        #expect(process.terminationStatus == 2)
    }

    @Test("memory does not grow with the input")
    func boundedMemory() throws {
        // 100 MB of requests in a process that needs some 70 MB by itself: one that held its input, or its
        // answers, could not stay below the limit.
        let line = #"{"task": "nothing", "input": "\#(String(repeating: "x", count: 200))"}"# + "\n"
        let input = try folder.write("long.jsonl", String(repeating: line, count: 400_000))
        let process = Command.process("polyprompt", arguments + ["--input", input, "--output", "/dev/null"])
        process.standardError = FileHandle.nullDevice
        try process.run()
        var peak = 0
        while process.isRunning {
            let status =
                (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8))
                ?? ""
            let highWater = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
            peak = max(peak, highWater.flatMap { Int($0.filter(\.isNumber)) } ?? 0)
            usleep(10_000)
        }
        #expect(process.terminationStatus == 2)
        #expect((10_000..<120_000).contains(peak), "\(peak) KiB")
    }

    @Test("an interrupted run leaves no trace", arguments: [SIGINT, SIGTERM])
    func interrupted(signal: Int32) throws {
        let process = Command.process("polyprompt", arguments + ["--output", folder.file("partial.jsonl")])
        let input = Pipe()
        process.standardInput = input
        process.standardError = FileHandle.nullDevice
        try process.run()
        input.fileHandleForWriting.write(Data("{\"task\": \"spam\", \"input\": \"hello\"}\n".utf8))
        func files() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: folder.path)
        }
        let deadline = Date(timeIntervalSinceNow: 30)
        while try !files().contains(where: { $0.hasSuffix(".partial") }), Date() < deadline { usleep(20_000) }
        #expect(try files().contains { $0.hasSuffix(".partial") })
        kill(process.processIdentifier, signal)
        process.waitUntilExit()
        #expect(process.terminationStatus == 128 + signal || process.terminationReason == .uncaughtSignal)
        #expect(try !files().contains { $0.contains("partial") })
    }

    @Test(
        "what keeps a run from starting is said on standard error with status 1",
        arguments: [
            (["run", "--core", "/nonexistent"], "no core directory /nonexistent"),
            (["run", "--core", "random:t6"], "random:t5-small"),
            (["run", "--core", Repository.core, "--store", "/nonexistent/store"], "/nonexistent/store"),
            (["run", "--core", Repository.core, "--input", "/nonexistent"], "cannot open /nonexistent"),
            (["run", "--core", Repository.core, "--output", "/nonexistent/x"], "/nonexistent/x"),
        ])
    func cannotStart(arguments: [String], message: String) throws {
        let result = try Command.polyprompt(arguments)
        #expect(result.status == 1)
        #expect(result.output.isEmpty)
        #expect(result.errors.contains(message), "\(result.errors)")
    }
}
