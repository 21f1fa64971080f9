import Foundation
import JSON
import TestSupport
import Testing

@Suite("polyprompt-train bench")
struct BenchCommandTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func bench(_ arguments: [String]) throws -> Command {
        try Command.train(
            ["bench", "--core", Repository.core, "--threads", "2", "--rounds", "1"] + arguments)
    }

    /// Two rows of small numbers and two sequences.
    private func batch() throws -> JSONObject {
        let rows = (0..<2).map { row in
            JSONValue.array((0..<256).map { JSONValue(Double((row * 256 + $0) % 17 - 8) / 16) })
        }
        return JSONObject([
            ("prompt", .array(rows)),
            (
                "sequences",
                [
                    ["input_ids": [100, 200, 300, 1], "target_ids": [40, 1]],
                    ["input_ids": [7, 8, 9, 10, 11, 12, 1], "target_ids": [50, 60, 1]],
                ]
            ),
        ])
    }

    @Test("prints a table and writes JSON, and says nothing on the way when piped")
    func table() throws {
        let result = try bench(["--json", folder.file("report.json")])
        #expect(result.status == 0 && result.errors == "")
        #expect(result.output.contains("tokens/s") && result.output.contains("one after the other"))
        let report = try folder.json("report.json")
        #expect(report["workload"] == "train-step" && report["sequences"] == 16 && report["rounds"] == 1)
        let seconds = try #require(report["seconds"]?.double)
        let tokens = try #require(report["tokens"]?.int)
        // 16 × (20 rows, 16 to 192 ids, 2 or 3 of the answer).
        #expect((16 * 38...16 * 215).contains(tokens))
        #expect(abs(try #require(report["tokens_per_second"]?.double) * seconds / Double(tokens) - 1) < 1e-9)
        #expect(report["losses"]?.array?.count == 2)
        let memory = try #require(report["memory"]?.object)
        #expect(try #require(memory["peak_bytes"]?.int) > 1 << 20)
        if let steps = memory["step_peak_bytes"]?.int {
            #expect(steps <= (try #require(memory["peak_bytes"]?.int)))
        }
        let together = try #require(report["together"]?.object)
        #expect(together["tasks"] == 8 && together["batch"] == 4)
        let apart = try #require(together["apart_seconds"]?.double)
        #expect(together["ratio"]?.double == apart / (try #require(together["seconds"]?.double)))
    }

    @Test("the batch of a file: its first loss is what the server's core says of the answers")
    func batchFile() throws {
        let batch = try batch()
        let file = try folder.write("batch.json", JSONValue.object(batch).line)
        var losses: [String: [Double]] = [:]
        for precision in ["float32", "bfloat16"] {
            let result = try bench(["--batches", file, "--precision", precision, "--json", "-"])
            #expect(result.status == 0, "\(result.errors)")
            let report = try #require(try JSONValue.parse(result.output).object)
            #expect(report["together"] == .null && report["sequences"] == 2)
            #expect(report["tokens"] == 20)
            losses[precision] = try #require(report["losses"]?.array).compactMap(\.double)
        }
        let lines = try #require(batch["sequences"]?.array).map { sequence in
            let object = JSONObject([
                ("prompt", batch["prompt"] ?? .null),
                ("input_ids", sequence.object?["input_ids"] ?? .null),
                ("labels", [sequence.object?["target_ids"] ?? .null]),
            ])
            return JSONValue.object(object).line
        }
        let probed = try Command.polyprompt(
            ["core", "probe", "--core", Repository.core, "--precision", "float32"],
            input: lines.joined(separator: "\n"))
        let likelihoods = try probed.lines.map { line in
            try #require(line["label_log_likelihood"]?.array?.first?.double)
        }
        #expect(likelihoods.count == 2)
        let expected = -likelihoods.reduce(0, +) / 5
        let exact = try #require(losses["float32"])
        #expect(abs(exact[0] / expected - 1) < 1e-5)
        #expect(exact.count == 2 && exact[1] != exact[0])
        #expect(abs(try #require(losses["bfloat16"]?.first) / expected - 1) < 0.02)
    }

    @Test(
        "says what is wrong",
        arguments: [
            (["--rounds", "0"], "rounds"), (["--precision", "int8"], "int8"),
            (["--threads", "0"], "threads"),
            (["--core", "/nowhere"], "/nowhere"), (["--batches", "/nowhere.json"], "/nowhere.json"),
            (["--json", "/nowhere/report.json"], "/nowhere/report.json"),
        ])
    func refusals(arguments: [String], message: String) throws {
        // A small step, for what is refused only after it.
        let batches = try folder.write("batch.json", JSONValue.object(batch()).line)
        let refused = try bench(["--batches", batches] + arguments)
        #expect(refused.status != 0)
        #expect(refused.errors.contains(message), "\(refused.errors)")
    }

    @Test(
        "says what is wrong in a batch's file",
        arguments: [
            ("[]", "an object was expected"), ("{", "not JSON"), (#"{"prompt": []}"#, "prompt"),
            (#"{"prompt": [[1, 2]]}"#, "prompt[0]"),
        ])
    func badFiles(text: String, message: String) throws {
        let refused = try bench(["--batches", folder.write("batch.json", text)])
        #expect(refused.status == 1 && refused.errors.contains(message), "\(refused.errors)")
    }

    @Test("says which of a batch's sequences is wrong")
    func badSequences() throws {
        for (sequences, message) in [
            ([], "sequences"), ([["input_ids": [1], "target_ids": []]], "sequences[0]"),
            ([["input_ids": [1.5], "target_ids": [1]]], "sequences[0]"),
            ([["input_ids": [1], "target_ids": [8192]]], "8192"),
        ] as [(JSONValue, String)] {
            var batch = try batch()
            batch["sequences"] = sequences
            let file = try folder.write("batch.json", JSONValue.object(batch).line)
            let refused = try bench(["--batches", file])
            #expect(refused.status == 1 && refused.errors.contains(message), "\(refused.errors)")
        }
    }
}
