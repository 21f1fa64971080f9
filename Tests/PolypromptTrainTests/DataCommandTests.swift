import Foundation
import JSON
import TestSupport
import Testing

@Suite("polyprompt-train evaluate and convert")
struct DataCommandTests {
    let folder: TemporaryFolder
    let store: String

    init() throws {
        folder = try TemporaryFolder()
        store = folder.file("store")
    }

    private func register(_ task: String, _ options: String...) throws {
        let registered = try Command.polyprompt(
            ["prompts", "register", "--core", Repository.core, "--store", store, Repository.prompt(task)]
                + options)
        #expect(registered.status == 0, "\(registered.errors)")
    }

    private func evaluate(_ arguments: String...) throws -> Command {
        try Command.train(["evaluate", "--core", Repository.core, "--store", store] + arguments)
    }

    @Test("a task's scores, confusion and answers, its labels mapped")
    func evaluate() throws {
        try register("sentiment")
        let rows = try folder.write(
            "reviews.csv",
            "input,label\na warm and funny film,good\na dull and bloated mess,bad\nno idea,unsure\n")
        let result = try evaluate(
            "--task", "sentiment", "--data", rows, "--map", "good=positive,bad=negative", "--predictions",
            folder.file("answers.jsonl"))
        #expect(result.status == 0, "\(result.errors)")
        let line = try #require(result.lines.first)
        #expect(line.keys == ["task", "version", "count", "metrics", "confusion"])
        #expect(line["task"] == "sentiment" && line["version"] == 1 && line["count"] == 3)
        #expect(line["confusion"]?.object?["positive"] == ["positive": 1])
        #expect(result.errors.contains("unsure"))
        #expect(try folder.text("answers.jsonl").split(separator: "\n").count == 3)
        #expect(try evaluate("--task", "none", "--data", rows).errors.contains("none"))
        #expect(try evaluate("--task", "sentiment", "--data", rows, "--map", "good=nice").status == 1)
        #expect(
            try evaluate("--task", "sentiment", "--data", folder.file("no.csv")).errors.contains("no.csv"))
    }

    @Test("several versions: a line each, their mean and deviation, and as one, published as an ensemble")
    func ensemble() throws {
        try register("spam")
        try register("spam", "--element-type", "int8")
        let rows = Repository.file("prompts/spam/sample.jsonl")
        let result = try evaluate(
            "--task", "spam@1,spam@2", "--data", rows, "--combine", "mean", "--publish", "spam-both")
        #expect(result.status == 0, "\(result.errors)")
        let lines = try result.lines
        #expect(lines.count == 4 && lines[2]["task"] == "mean of spam@1,spam@2")
        #expect(lines[3]["metrics"]?.object?["accuracy"]?.object?["mean"]?.double != nil)
        let named = try evaluate("--task", "spam-both", "--data", rows)
        #expect(try named.lines[0]["metrics"] == lines[2]["metrics"])
        #expect(try evaluate("--task", "spam", "--data", rows, "--combine", "mean").status != 0)
    }

    @Test("a file of SuperGLUE's becomes rows; which set it is of is its folder's name or said")
    func convert() throws {
        try folder.makeFolder("BoolQ")
        let file = try folder.write(
            "BoolQ/val.jsonl", #"{"question": "is it wet", "passage": "It rained.", "idx": 1, "label": true}"#
        )
        let converted = try Command.train(["convert", file])
        #expect(converted.output == #"{"passage":"It rained.","question":"is it wet","label":"true"}"# + "\n")
        let written = try Command.train([
            "convert", "--data-set", "boolq", file, "--output", folder.file("rows.jsonl"),
        ])
        #expect(written.status == 0 && folder.exists("rows.jsonl"))
        let unknown = try folder.write("val.jsonl", "{}")
        #expect(try Command.train(["convert", unknown]).errors.contains("--data-set"))
        let wrong = try Command.train(["convert", "--data-set", "copa", file])
        #expect(wrong.status == 1 && wrong.errors.contains("val.jsonl:1: the key \"choice1\" is missing"))
    }
}
