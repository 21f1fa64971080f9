import Basics
import Foundation
import JSON
import Tasks
import TestSupport
import Testing
import Tokenization

/// A message is a line that a terminal shows as it is, whatever it speaks of.
@Suite struct MessageTests {
    /// What is tried as a key, name or text: long, and with what a terminal would obey.
    static let text = "\u{1B}[31m\u{202E}" + String(repeating: "x", count: 200_000)

    private func check(_ message: String, _ source: String) {
        #expect(message.utf8.count < 3_000, "\(source): \(message.utf8.count) bytes")
        for scalar in message.unicodeScalars {
            #expect(
                scalar == "\n" || scalar.value >= 0x20 && scalar != "\u{202E}" && scalar != "\u{7F}",
                "\(source)")
        }
    }

    @Test(
        arguments: [
            ["X": 1], ["task": "X", "input": "a"], ["task": nil, "input": "a", "labels": ["X", "X"]],
            ["task": "spam", "input": "a", "labels": ["X"]], ["task": "spam", "input": ["X": "a"]],
            ["task": nil, "input": "a", "seed": "X"], ["task": nil, "input": "a", "id": ["X"]],
            ["task": nil, "input": "a", "labels": [["X"]]], ["task": "spam@X", "input": "a"],
        ] as [JSONValue])
    func `a request's message stays short`(request: JSONValue) throws {
        let folder = try TemporaryFolder()
        let line = request.line.replacing("X", with: JSONValue.string(Self.text).line.dropFirst().dropLast())
        try folder.write("in", line + "\n" + line.replacing("xxxx", with: "") + "\n")
        let command = try Command.script(
            #"""
            $P prompts register --threads 1 --core $C --store $W/s prompts/spam > /dev/null
            $P run --threads 1 --core $C --store $W/s --input $W/in
            """#, in: folder)
        #expect(command.status == 2, "\(command.errors)")
        for answer in try command.lines {
            let message = try #require(answer["error"]?.object?["message"]?.string, "\(request.line)")
            check(message, request.line)
        }
    }

    static func name(_ header: String) -> String {
        header.replacing("X", with: JSONValue.string(text).line.dropFirst().dropLast())
    }

    @Test(arguments: [
        #"{"a":{"dtype":"F32","shape":[\#(String(repeating: "1,", count: 300_000))1],"data_offsets":[0,4]}}"#,
        #"{"a":{"dtype":"F32","shape":[\#(String(repeating: "1,", count: 60))2],"data_offsets":[0,4]}}"#,
        name(#"{"X":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#),
        name(#"{"X":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#),
        name(#"{"a":{"dtype":"X","shape":[1],"data_offsets":[0,4]}}"#),
        name(#"{"a":{"X":"F32","shape":[1],"data_offsets":[0,4]}}"#), name(#"{"X":1,"X":2}"#),
        name(#"{"__metadata__":{"X":1}}"#),
    ])
    func `a tensor file's message stays short`(header: String) throws {
        let folder = try TemporaryFolder()
        try folder.write("x.safetensors", TensorFile.safetensors(header: header, data: [0, 0, 0, 0]))
        let command = try Command.script(
            "$P prompts register --threads 1 --core $C --store $W/s --name x $W/x.safetensors", in: folder)
        #expect(command.status == 1)
        check(command.errors.replacing(folder.path, with: ""), header.prefix(80) + "")
    }

    @Test func `a definition's and a row's message stays short`() throws {
        let text = Self.text
        let definition = try TaskDefinition(name: "t", template: Template("{input}"))
        let labelled = try TaskDefinition(
            name: "t", template: Template("{input}"),
            verbalizer: Verbalizer([.init(name: "a", text: "a"), .init(name: "b", text: "b")]))
        func object(_ json: JSONValue) throws -> JSONObject { try #require(json.object) }
        let attempts: [(String, () throws -> Void)] = [
            ("name", { _ = try TaskDefinition(name: text, template: Template("{input}")) }),
            ("key", { _ = try TaskDefinition(json: object([text: 1])) }),
            (
                "metric",
                {
                    _ = try TaskDefinition(
                        json: object(["name": "t", "template": "{a}", "metric": .string(text)]))
                }
            ),
            ("template", { _ = try Template("{\(text)}") }),
            ("labels", { _ = try Verbalizer([.init(name: text, text: "a"), .init(name: text, text: "b")]) }),
            ("texts", { _ = try Verbalizer([.init(name: "a", text: text), .init(name: "b", text: text)]) }),
            ("map", { _ = try LabelMap(parsing: text) }),
            (
                "label",
                {
                    _ = try LabelledExampleReader(labelled, unknownLabels: .refuse).read(
                        line: (["input": "x", "label": .string(text)] as JSONValue).lineBytes)
                }
            ),
            (
                "column",
                {
                    _ = try LabelledExampleReader(definition, unknownLabels: .refuse).read(
                        Array("\(text),\(text)\n".utf8), file: "f", format: .commaSeparated)
                }
            ),
            (
                "token",
                {
                    let folder = try TemporaryFolder()
                    let token: JSONValue = [
                        "added_tokens_decoder": .object(JSONObject([(text, "<extra_id_0>")]))
                    ]
                    try folder.write("tokenizer_config.json", token.lineBytes)
                    try folder.write(
                        "spiece.model",
                        Data(contentsOf: URL(fileURLWithPath: Repository.core + "/spiece.model")))
                    do throws(TokenizerError) { _ = try TokenizerLoader.load(directory: folder.path) } catch {
                        throw TokenizerError(error.message.replacing(folder.path, with: ""))
                    }
                }
            ),
        ]
        for (source, attempt) in attempts {
            var message = ""
            do { try attempt() } catch { message = "\(error)" }
            #expect(!message.isEmpty, "\(source) was accepted")
            check(message, source)
        }
    }
}
