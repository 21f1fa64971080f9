import Foundation
import JSON
import Tasks
import TestSupport
import Testing
import Training

/// Rows of our own writing in the form of SuperGLUE's files.
@Suite("SuperGLUE's own files")
struct SuperGLUETests {
    static let definitions = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("benchmarks/training/tasks")

    private static let rows: [SuperGLUE: String] = [
        .boolq: #"{"question": "is it wet", "passage": "Rain -- It rained.", "idx": 1, "label": true}"#,
        .cb: #"{"premise": "He said it rained.", "hypothesis": "it rained", "label": "neutral", "idx": 4}"#,
        .copa:
            #"{"premise": "It rained.", "choice1": "The road was wet.", "choice2": "The road was new.", "question": "effect", "label": 1, "idx": 2}"#,
        .multirc:
            #"{"idx": 6, "version": 1.1, "passage": {"text": "Ann ran. Bob sat.", "questions": [{"question": "Who ran?", "answers": [{"text": "Ann", "idx": 1, "label": 1}, {"text": "Bob", "idx": 2, "label": 0}], "idx": 56}, {"question": "Who sat?", "answers": [{"text": "Bob", "idx": 3, "label": 1}], "idx": 57}]}}"#,
        .record:
            #"{"source": "x", "passage": {"text": "Ann met Bob.\n@highlight\nThey ran", "entities": [{"start": 0, "end": 2}, {"start": 8, "end": 10}]}, "qas": [{"query": "@placeholder met Bob.", "answers": [{"start": 0, "end": 2, "text": "Ann"}, {"start": 0, "end": 2, "text": "Ann"}, {"start": 0, "end": 2, "text": "Annie"}], "idx": 1}], "idx": 3}"#,
        .rte: #"{"premise": "It rained.", "hypothesis": "It was wet.", "label": "entailment", "idx": 9}"#,
        .wic:
            #"{"word": "run", "sentence1": "Run home.", "sentence2": "The run was long.", "idx": 1, "label": false, "start1": 0, "start2": 4, "end1": 3, "end2": 7, "version": 1.1}"#,
        .wsc:
            #"{"text": "The tall man met the boy because he was lost .", "target": {"span2_index": 7, "span1_index": 0, "span1_text": "The tall man", "span2_text": "he"}, "idx": 5, "label": false}"#,
    ]

    private static func convert(_ set: SuperGLUE, _ text: String) throws -> [JSONObject] {
        try set.convert(Array(text.utf8), file: "val.jsonl")
    }

    @Test("give rows that the task of the same name takes", arguments: SuperGLUE.allCases)
    func rowsFitTheirTasks(set: SuperGLUE) throws {
        let url = Self.definitions.appendingPathComponent("\(set.rawValue).json")
        let definition = try TaskDefinition(parsing: Array(Data(contentsOf: url)))
        let converted = try Self.convert(set, try #require(Self.rows[set]) + "\n\n")
        let lines = converted.map { JSONValue.object($0).line }.joined(separator: "\n")
        let contents = try LabelledExampleReader(definition, unknownLabels: .refuse).read(
            Array(lines.utf8), file: "converted")
        #expect(contents.examples.count == (set == .multirc ? 3 : 1))
    }

    @Test("keep what makes each set its own")
    func particulars() throws {
        func first(_ set: SuperGLUE) throws -> [JSONObject] {
            try Self.convert(set, try #require(Self.rows[set]))
        }
        #expect(try first(.boolq)[0]["label"] == "true")
        #expect(try first(.copa)[0]["label"] == "choice2")
        #expect(try first(.multirc).map { $0["group"] } == ["6-56", "6-56", "6-57"])
        #expect(try first(.multirc).map { $0["label"] } == ["true", "false", "true"])
        let record = try first(.record)[0]
        #expect(record["label"] == ["Ann", "Annie"] && record["entities"] == "Ann, Bob")
        #expect(record["passage"] == "Ann met Bob. They ran")
        #expect(
            try first(.wsc)[0]["text"] == "* The tall man * met the boy because # he # was lost .")
    }

    @Test("leave rows without a label out, as test files have them")
    func withoutLabels() throws {
        #expect(try Self.convert(.rte, #"{"premise": "a", "hypothesis": "b", "idx": 1}"#).isEmpty)
    }

    @Test("are refused by line and member when they are not of their form")
    func refusals() throws {
        func refusal(_ set: SuperGLUE, _ text: String) -> String {
            let error = #expect(throws: TrainingError.self) { try Self.convert(set, text) }
            return error?.message ?? ""
        }
        #expect(
            refusal(.rte, "\n{\"premise\": 1, \"label\": \"x\"}").contains(
                "val.jsonl:2: \"premise\": the number 1"))
        #expect(refusal(.boolq, "[]").contains("val.jsonl:1: an empty array was found, an object"))
        #expect(
            refusal(.copa, #"{"premise": "", "choice1": "", "choice2": "", "question": "", "label": 3}"#)
                .contains("0 or 1"))
        #expect(
            refusal(
                .wsc,
                #"{"text": "a b", "label": true, "target": {"span1_text": "b c", "span2_text": "a", "span1_index": 1, "span2_index": 0}}"#
            )
            .contains("span1_index"))
        #expect(
            refusal(
                .record, #"{"passage": {"text": "abc", "entities": [{"start": 1, "end": 9}]}, "qas": []}"#
            )
            .contains("entities[0].start"))
        #expect(
            refusal(.multirc, #"{"passage": {"text": "", "questions": [{"answers": 1}]}}"#).contains(
                "questions[0].answers"))
    }

    @Test("are read as they are", .needsShared("tasks"))
    func realFiles() throws {
        for set in SuperGLUE.allCases {
            let folders = try FileManager.default.contentsOfDirectory(
                atPath: Repository.shared("tasks/superglue"))
            let folder = try #require(folders.first { $0.lowercased() == set.rawValue })
            let url = Self.definitions.appendingPathComponent("\(set.rawValue).json")
            let definition = try TaskDefinition(parsing: Array(Data(contentsOf: url)))
            let path = Repository.shared("tasks/superglue/\(folder)/train.jsonl")
            let rows = try set.convert(Array(Data(contentsOf: URL(fileURLWithPath: path))), file: path)
            #expect(rows.count >= 32)
            let lines = rows.map { JSONValue.object($0).line }.joined(separator: "\n")
            _ = try LabelledExampleReader(definition, unknownLabels: .refuse).read(
                Array(lines.utf8), file: path)
        }
    }
}

@Suite("The task definitions of benchmarks/training/tasks")
struct TaskDefinitionsTests {
    @Test("can be read, and are called as their files")
    func definitions() throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: SuperGLUETests.definitions.path)
            .sorted()
        #expect(names.count >= 35)
        for name in names {
            let url = SuperGLUETests.definitions.appendingPathComponent(name)
            let definition = try TaskDefinition(parsing: Array(Data(contentsOf: url)))
            #expect(definition.name + ".json" == name)
        }
    }

    @Test("fit the data sets of their names", .needsShared("tasks"))
    func dataSets() throws {
        let other = [
            "boolq": "boolq_pair", "mrpc": "mrpc_pair", "product_reviews": "sst2",
            "restaurant_reviews": "sst2",
        ]
        var count = 0
        for set in try FileManager.default.contentsOfDirectory(atPath: Repository.shared("tasks")).sorted() {
            let path = Repository.shared("tasks/\(set)/test.jsonl")
            guard FileManager.default.fileExists(atPath: path) else { continue }
            let url = SuperGLUETests.definitions.appendingPathComponent((other[set] ?? set) + ".json")
            let definition = try TaskDefinition(parsing: Array(Data(contentsOf: url)))
            _ = try LabelledFile(path: path, for: definition, unknownLabels: .refuse)
            count += 1
        }
        #expect(count >= 15)
    }
}
