import Foundation
import JSON
import TestSupport
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
        let result = try Command.polyprompt(["core", "probe", "--core", Repository.core], input: input)
        #expect(result.status == 0, "\(result.errors)")
        let lines = try result.lines
        #expect(lines.count == 2)
        for line in lines {
            #expect(line["encoder_first"]?.array?.count == 8)
            #expect(line["encoder_last"]?.array?.count == 8)
            #expect(line["first_logits"]?.array?.count == 16)
            #expect((1...12).contains(line["greedy"]?.array?.count ?? 0))
            #expect((1...12).contains(line["beam4"]?.array?.count ?? 0))
        }
        #expect(lines[0]["label_log_likelihood"]?.array?.count == 2)
        #expect(lines[0]["encoder_first"] != lines[1]["encoder_first"])
    }

    @Test(
        "a bad line or core ends a probe with a message and a status",
        arguments: [
            #"{"input_ids": [99999]}"#, #"{"input_ids": []}"#, #"{"prompt": [[1]], "input_ids": [5]}"#, "{",
            #"{"input_ids": [5], "labels": [[]]}"#, #"{"input_ids": [5], "lables": []}"#,
        ])
    func badProbe(line: String) throws {
        let result = try Command.polyprompt(["core", "probe", "--core", Repository.core], input: line)
        #expect(result.status != 0 && result.errors.contains("line 1"), "\(result.errors)")
    }

    @Test("tokenize and detokenize are each other's reverse")
    func tokenize() throws {
        let text = "Hello there\n\n<extra_id_3> and 12 more\n"
        let ids = try Command.polyprompt(["core", "tokenize", "--core", Repository.core], input: text)
        #expect(ids.status == 0)
        let lines = try ids.output.split(separator: "\n").map { try JSONValue.parse(String($0)).array }
        #expect(lines.count == 3 && lines[1] == [1])
        #expect(lines.allSatisfy { $0?.last == 1 })
        let back = try Command.polyprompt(
            ["core", "detokenize", "--core", Repository.core], input: ids.output)
        #expect(back.output.split(separator: "\n", omittingEmptySubsequences: false)[0] == "Hello there")
        #expect(back.output.contains("<extra_id_3>"))
        let bad = try Command.polyprompt(
            ["core", "detokenize", "--core", Repository.core], input: "[1, \"a\"]")
        #expect(bad.status == 1 && bad.errors.contains("line 1"))
    }

    @Test("the demo answers every task's sample and ends with the throughput")
    func demo() throws {
        let prompts = Repository.file("prompts")
        let result = try Command.polyprompt(["demo", "--core", Repository.core, "--prompts", prompts])
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
