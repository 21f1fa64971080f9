import Foundation
import JSON
import Testing

@Suite("polyprompt core and demo")
struct CoreCommandTests {
    @Test("probe prints a core's numbers for rows and ids")
    func probe() throws {
        let row = "[" + (0..<256).map { "\(Double($0) / 256)" }.joined(separator: ",") + "]"
        let input = """
            {"prompt": [], "input_ids": [5, 6, 1], "labels": [[5, 1], [6]]}
            {"prompt": [\(row)], "input_ids": [5, 6, 1], "labels": []}
            """
        let result = try Command.run(["core", "probe", "--core", Command.core], input: Data(input.utf8))
        #expect(result.status == 0, "\(result.errors)")
        let lines = try result.lines
        #expect(lines.count == 2)
        for line in lines {
            #expect(line.object?["encoder_first"]?.array?.count == 8)
            #expect(line.object?["encoder_last"]?.array?.count == 8)
            #expect(line.object?["first_logits"]?.array?.count == 16)
            #expect((1...12).contains(line.object?["greedy"]?.array?.count ?? 0))
            #expect((1...12).contains(line.object?["beam4"]?.array?.count ?? 0))
        }
        #expect(lines[0].object?["label_log_likelihood"]?.array?.count == 2)
        #expect(lines[0].object?["encoder_first"] != lines[1].object?["encoder_first"])
    }

    @Test(
        "a bad line or core ends a probe with a message and a status",
        arguments: [
            #"{"input_ids": [99999]}"#, #"{"input_ids": []}"#, #"{"prompt": [[1]], "input_ids": [5]}"#, "{",
            #"{"input_ids": [5], "labels": [[]]}"#, #"{"input_ids": [5], "lables": []}"#,
        ])
    func badProbe(line: String) throws {
        let result = try Command.run(["core", "probe", "--core", Command.core], input: Data(line.utf8))
        #expect(result.status != 0 && result.errors.contains("line 1"), "\(result.errors)")
    }

    @Test("tokenize and detokenize are each other's reverse")
    func tokenize() throws {
        let text = "Hello there\n\n<extra_id_3> and 12 more\n"
        let ids = try Command.run(["core", "tokenize", "--core", Command.core], input: Data(text.utf8))
        #expect(ids.status == 0)
        let lines = try ids.lines
        #expect(lines.count == 3 && lines[1] == [1])
        #expect(lines.allSatisfy { $0.array?.last == 1 })
        let back = try Command.run(
            ["core", "detokenize", "--core", Command.core], input: Data(ids.output.utf8))
        #expect(back.output.split(separator: "\n", omittingEmptySubsequences: false)[0] == "Hello there")
        #expect(back.output.contains("<extra_id_3>"))
        let bad = try Command.run(
            ["core", "detokenize", "--core", Command.core], input: Data("[1, \"a\"]".utf8))
        #expect(bad.status == 1 && bad.errors.contains("line 1"))
    }

    @Test("the demo answers every task's sample and ends with the throughput")
    func demo() throws {
        let prompts = Command.package.appendingPathComponent("prompts").path
        let result = try Command.run(["demo", "--core", Command.core, "--prompts", prompts])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.hasSuffix(" requests/s\n"))
        let scores = result.output.split(separator: "\n").filter { $0.contains(" accuracy ") }
        #expect(scores.count == 8)
        for line in scores {
            let fields = line.split(separator: " ")
            #expect((Double(fields[2]) ?? 0) > 0.6, "\(line)")
            #expect((Int(fields[4]) ?? 0) >= 30, "\(line)")
        }
    }
}
