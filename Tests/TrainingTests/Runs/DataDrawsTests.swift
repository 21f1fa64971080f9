import Basics
import Foundation
import JSON
import TestSupport
import Testing
import Training

@Suite("The rows of a job")
struct DataDrawsTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try FoodTask.write(into: folder)
    }

    private func rows(_ out: String) throws -> (train: Int?, dev: Int?) {
        let metadata = try folder.metadata(out)
        return (metadata["train_rows"].flatMap { Int($0) }, metadata["dev_rows"].flatMap { Int($0) })
    }

    @Test("are all training rows, k of each class, or those that dev rows are not split from")
    func counts() throws {
        try train(folder, "all", ["steps": 1])
        #expect(try rows("all") == (24, 8))
        try train(folder, "few", ["steps": 1, "few_shot": 5])
        #expect(try rows("few") == (10, 8))
        try train(folder, "split", ["steps": 1, "dev": .null, "dev_share": 0.25])
        #expect(try rows("split") == (18, 6))
    }

    @Test(
        "with labels that the task lacks are refused in training and counted as wrong elsewhere, with one note"
    )
    func unknownLabels() throws {
        try folder.write(
            "odd.jsonl", #"{"input": "a stone", "label": "geology"}"# + "\n" + FoodTask.lines(12..<14))
        let error = #expect(throws: TrainingError.self) {
            try train(folder, "refused", ["train": .string(folder.file("odd.jsonl"))])
        }
        #expect(error?.message.contains("odd.jsonl:1") == true && error?.message.contains("geology") == true)
        var notes: [String] = []
        let description = try RunDescription(
            json: settings(folder, ["dev": .string(folder.file("odd.jsonl")), "steps": 1]), at: "test")
        let results = try TrainingRun(description, folder: folder.file("kept")) { notes.append($0) }.run()
        #expect(notes.count { $0.contains("geology") } == 1)
        #expect(results[0].dev.primary <= 0.8)
    }

    @Test("that are also dev or test rows are pointed out")
    func overlap() throws {
        var notes: [String] = []
        let description = try RunDescription(
            json: settings(folder, ["dev": .string(folder.file("train.jsonl")), "steps": 1]), at: "test")
        _ = try TrainingRun(description, folder: folder.file("out")) { notes.append($0) }
        #expect(notes.contains { $0.contains("24 of 24 texts are also in") })
    }

    @Test("of free text are answered in free text, and trained on whole")
    func freeText() throws {
        try folder.write("free.json", #"{"name": "free", "template": "{input}", "max_new_tokens": 4}"#)
        let results = try train(folder, "out", ["task": .string(folder.file("free.json")), "steps": 2])
        #expect(results[0].dev.values.map(\.metric) == [.exactMatch, .tokenF1])
        let error = #expect(throws: TrainingError.self) {
            try train(folder, "no", ["task": .string(folder.file("free.json")), "loss": "labels"])
        }
        #expect(error?.message.contains("loss") == true)
    }
}

extension TemporaryFolder {
    /// The metadata of a task folder's prompt.
    func metadata(_ out: String) throws -> [ByteText: String] {
        try storedPrompt(out).metadata
    }
}
