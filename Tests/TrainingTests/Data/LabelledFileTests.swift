import Foundation
import JSON
import Tasks
import TestSupport
import Testing
import Training

@Suite("Labelled files")
struct LabelledFileTests {
    let folder: TemporaryFolder
    let definition: TaskDefinition

    init() throws {
        folder = try TemporaryFolder()
        definition = try TaskDefinition(
            parsing: Array(
                #"{"name": "pair", "template": "{a} and {b}", "labels": [{"label": "x", "text": "x"}, {"label": "y", "text": "y"}]}"#
                    .utf8))
    }

    private func read(
        _ name: String, _ text: String, _ unknown: LabelledExampleReader.UnknownLabels = .refuse
    ) throws -> LabelledFile {
        try LabelledFile(path: folder.write(name, text), for: definition, unknownLabels: unknown)
    }

    private func refusal(_ name: String, _ text: String) throws -> String {
        let error = #expect(throws: TrainingError.self) { try read(name, text) }
        return error?.message ?? ""
    }

    @Test("JSON Lines, CSV and TSV with the same rows are the same")
    func formats() throws {
        let lines = try read(
            "r.jsonl",
            #"{"a": "one, \"two\"", "b": "line\nbreak", "label": "x"}"# + "\n"
                + #"{"label": "y", "a": "tab\there", "b": "", "group": 3, "idx": 9}"# + "\n")
        let csv = try read(
            "r.csv",
            "a,b,label,group,idx\r\n\"one, \"\"two\"\"\",\"line\nbreak\",x,1,\r\n\r\ntab\there,,y,3,9\r\n")
        let tsv = try read(
            "r.TSV",
            "\u{FEFF}label\tb\ta\nx\t\"line\nbreak\"\tone, \"two\"\ny\t\t\"tab\there\"")
        #expect(lines.examples.map(\.text) == ["one, \"two\" and line\nbreak", "tab\there and "])
        #expect(csv.examples.map(\.text) == lines.examples.map(\.text))
        #expect(tsv.examples.map(\.text) == lines.examples.map(\.text))
        #expect(csv.examples.map(\.answers) == [["x"], ["y"]] && csv.examples.map(\.group) == ["1", "3"])
        #expect(lines.hash.count == 64 && lines.hash != csv.hash)
    }

    @Test("a row that cannot be used is named by its file and line")
    func badRows() throws {
        #expect(try refusal("r.csv", "a,b,label\n1,2,x\n1,2\n").contains("r.csv:3: 2 fields"))
        #expect(
            try refusal("r.csv", "a,b,label\n\"1\n1\",2,x\n1,\"2\"3,x\n").contains("r.csv:4: text follows"))
        #expect(try refusal("r.csv", "a,b,label\n1,\"2,x\n").contains("r.csv:2: a quoted field"))
        #expect(try refusal("r.csv", "a,b,label,a\n").contains("r.csv:1: the header names"))
        #expect(try refusal("r.csv", "a,b,,label\n").contains("r.csv:1: the header names"))
        #expect(try refusal("r.csv", "").contains("r.csv:1: the file is empty"))
        #expect(try refusal("r.csv", "a,label\n1,x\n").contains("r.csv:2: the field \"b\" is missing"))
        #expect(
            try refusal("r.tsv", "a\tb\tlabel\n1\t2\tz\n").contains("r.tsv:2: \"label\": the task has no"))
        #expect(try refusal("r.jsonl", "\n{\"a\": 1}\n").contains("r.jsonl:2: the key \"label\" is missing"))
        #expect(try refusal("r.jsonl", "[]\n").contains("r.jsonl:1: an empty array was found"))
        #expect(try refusal("r.jsonl", "\n \n").contains("has no rows"))
        try folder.write("bad.csv", Array("a,b,label\n\u{1},2,x\n".utf8) + [0xFF, 0x2C, 0x32, 0x2C, 0x78])
        let error = #expect(throws: TrainingError.self) {
            try LabelledFile(path: folder.file("bad.csv"), for: definition, unknownLabels: .refuse)
        }
        #expect(error?.message.contains("bad.csv:3: a field is not valid UTF-8") == true)
    }

    @Test("dev and test rows keep labels that the task lacks, and say which")
    func unknownLabels() throws {
        let file = try read("r.csv", "a,b,label\n1,2,z\n1,2,x\n3,4,z\n", .keep)
        #expect(file.unknownLabels == ["z"] && file.examples.count == 3)
    }

    @Test("a file that is missing or a folder is refused by name")
    func missing() throws {
        for path in [folder.file("nothing.jsonl"), folder.path] {
            let error = #expect(throws: TrainingError.self) {
                try LabelledFile(path: path, for: definition, unknownLabels: .keep)
            }
            #expect(error?.message.contains(path) == true)
        }
    }
}
