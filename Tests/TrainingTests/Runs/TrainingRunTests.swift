import Foundation
import JSON
import PromptStore
import Serving
import T5
import Tensors
import TestSupport
import Testing
import Training

@Suite("A training run")
struct TrainingRunTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try FoodTask.write(into: folder)
    }

    @Test("learns: the loss falls and the rows held out are answered better than by chance")
    func learns() throws {
        let results = try train(
            folder, "out",
            [
                "steps": 60, "batch": 16, "evaluate_every": 10, "test": .string(folder.file("test.jsonl")),
            ])
        let result = try #require(results.first)
        #expect(result.dev.primary >= 0.85, "\(result.dev)")
        #expect(result.test != nil)
        let log = try folder.text("out/log.jsonl").split(separator: "\n").map {
            try #require(try JSONValue.parse(String($0)).object)
        }
        #expect(log.map { $0["step"]?.int } == [0, 10, 20, 30, 40, 50, 60])
        let losses = log.compactMap { $0["loss"]?.double }
        #expect(losses.count == 6 && losses[5] < losses[0] * 0.6, "\(losses)")
        #expect(log.compactMap { $0["dev"]?.double }.max() == result.dev.primary)
    }

    @Test("learns the labels where a task takes their probabilities over all pieces")
    func learnsLabelsOverAllPieces() throws {
        try folder.write(
            "whole.json",
            FoodTask.definition.replacingOccurrences(
                of: #""name": "topic""#, with: #""name": "topic", "normalize": "vocabulary""#))
        func losses(_ out: String, _ loss: JSONValue) throws -> [Double] {
            let results = try train(
                folder, out,
                [
                    "task": .string(folder.file("whole.json")), "loss": loss, "steps": 60, "batch": 16,
                    "evaluate_every": 10,
                ])
            #expect(try #require(results.first).dev.primary >= 0.85)
            return try folder.text("\(out)/log.jsonl").split(separator: "\n").compactMap {
                try JSONValue.parse(String($0)).object?["loss"]?.double
            }
        }
        let labels = try losses("labels", "labels")
        #expect(labels[5] < labels[0] * 0.6, "\(labels)")
        // What the core would rather say than any label costs nothing.
        #expect(try losses("vocabulary", "vocabulary")[0] > 2 * labels[0])
    }

    @Test("leaves a task folder with its recipe, log, curves and result")
    func leavesAFolder() throws {
        try train(folder, "out", ["test": .string(folder.file("test.jsonl"))])
        let stored = try TaskFolder(path: folder.file("out"))
        #expect(stored.definition.name == "topic")
        #expect(stored.prompt.rows == 4 && stored.prompt.width == 256)
        let core = try T5Core(Repository.core, precision: .bfloat16, pool: WorkerPool(threadCount: 2))
        #expect(stored.metadata["core_fingerprint"] == core.fingerprint)
        #expect(stored.metadata["seed"] == "0" && stored.metadata["train_sha256"]?.count == 64)
        let result = try folder.json("out/result.json")
        #expect(
            result.keys == ["task", "method", "rows", "seed", "steps", "seconds", "dev", "test", "published"])
        #expect(result["task"] == "topic" && result["method"] == "residual-mlp1" && result["steps"] == 6)
        #expect(result["dev"]?.object?["accuracy"]?.double != nil && result["published"] == .null)
        #expect(try folder.text("out/card.md").contains("polyprompt-mini"))
        #expect(try folder.text("out/curves.svg").contains("polyline"))
        #expect(!folder.exists("out/checkpoint.safetensors"))
    }

    @Test("its train.json, given back, makes the same prompt bit for bit")
    func configurationRoundTrip() throws {
        try train(
            folder, "first", ["method": "residual-mlp2", "learning_rate": 0.1, "seed": 3, "few_shot": 6])
        let saved = try folder.json("first/train.json")
        #expect(saved["method"] == "residual-mlp2" && saved["few_shot"] == 6 && saved["schedule"] == "linear")
        let run = try TrainingRun(
            try RunDescription(json: saved, at: "train.json"), folder: folder.file("second"))
        _ = try run.run()
        #expect(try prompt(folder, "first") == prompt(folder, "second"))
        #expect(try folder.json("second/train.json") == saved)
    }

    @Test("is decided by its seed")
    func seeds() throws {
        try train(folder, "a", ["seed": 1])
        try train(folder, "b", ["seed": 1])
        try train(folder, "c", ["seed": 2])
        #expect(try folder.bytes("a/prompt.safetensors") == folder.bytes("b/prompt.safetensors"))
        #expect(try prompt(folder, "a") != prompt(folder, "c"))
    }

    @Test("gives each of many jobs what it gives it alone, bit for bit")
    func manyAreOne() throws {
        try folder.write(
            "other.json",
            #"{"name": "other", "template": "say: {input}", "target_prefix": "it is", "labels": [{"label": "food", "text": "a meal"}, {"label": "weather", "text": "the sky"}]}"#
        )
        func task(_ file: String, _ own: [(String, JSONValue)]) -> JSONValue {
            .object(
                JSONObject(
                    [
                        ("task", .string(folder.file(file))), ("train", .string(folder.file("train.jsonl"))),
                        ("dev", .string(folder.file("dev.jsonl"))),
                    ] + own))
        }
        var together = try settings(folder)
        for key in ["task", "train", "dev"] { together[key] = nil }
        together["tasks"] = .array([
            task(
                "task.json",
                [
                    ("learning_rate", [0.05, 0.3]), ("seed", [0, 1]),
                    ("method", ["prompt", "residual-lstm1"]),
                ]),
            task("other.json", [("batch", 3), ("accumulation", 2), ("rows", 7), ("steps", 4)]),
        ])
        // Small passes, so that the jobs are spread over several.
        together["batch_rows"] = 150
        let run = try TrainingRun(
            try RunDescription(json: together, at: "test"), folder: folder.file("all"))
        let results = try run.run()
        #expect(results.count == 9)
        #expect(Set(results.map(\.folder)).count == 9)
        for result in results {
            let alone = try RunDescription(
                json: folder.json("all/\(result.folder)/train.json"), at: "train.json")
            #expect(alone.jobs.count == 1)
            _ = try TrainingRun(alone, folder: folder.file("alone/\(result.folder)")).run()
            #expect(
                try prompt(folder, "all/\(result.folder)") == prompt(folder, "alone/\(result.folder)"),
                "\(result.folder)")
        }
        let summary = try #require(folder.json("all/summary.json")["results"]?.array)
        #expect(summary.count == 5, "four settings of one task, one of the other")
        #expect(summary[0].object?["seeds"] == [0, 1])
        #expect(summary[0].object?["dev"]?.object?["accuracy"]?.object?["deviation"]?.double != nil)
    }

    @Test(
        "goes on from an interruption as if there had been none",
        arguments: ["residual-mlp1", "residual-lstm2", "superpos"], [1, 4])
    func resumes(method: String, after steps: Int) throws {
        let others: KeyValuePairs<String, JSONValue> = [
            "method": .string(method), "bottleneck": method == "residual-mlp1" ? 16 : .null, "seed": [0, 5],
        ]
        let whole = try train(folder, "whole", others)
        let error = #expect(throws: TrainingError.self) {
            try train(folder, "parts", others, interruptedAfter: steps)
        }
        #expect(error?.isInterruption == true && error?.message.contains("--resume") == true)
        #expect(folder.exists("parts/checkpoint.safetensors"))
        let resumed = try train(folder, "parts", others, resume: true)
        #expect(!folder.exists("parts/checkpoint.safetensors"))
        for (whole, resumed) in zip(whole, resumed) {
            #expect(
                whole.dev == resumed.dev && whole.steps == resumed.steps && whole.bestStep == resumed.bestStep
            )
            #expect(try prompt(folder, "whole/\(whole.folder)") == prompt(folder, "parts/\(resumed.folder)"))
            func log(_ out: String) throws -> [[JSONValue?]] {
                try folder.text("\(out)/\(whole.folder)/log.jsonl").split(separator: "\n").map {
                    let line = try JSONValue.parse(String($0)).object
                    return [line?["step"], line?["loss"], line?["dev"]]
                }
            }
            #expect(try log("whole") == log("parts"))
        }
    }

    @Test("refuses a checkpoint of another core, task, data or setting, a damaged one, and to write over one")
    func refusesCheckpoints() throws {
        #expect(throws: TrainingError.self) { try train(folder, "out", interruptedAfter: 2) }
        func refusal(_ others: KeyValuePairs<String, JSONValue>, resume: Bool) -> String {
            let error = #expect(throws: TrainingError.self) {
                try train(folder, "out", others, resume: resume)
            }
            #expect(error?.message.contains("checkpoint") == true)
            return error?.message ?? ""
        }
        #expect(refusal([:], resume: false).contains("--resume"))
        for (others, what): (KeyValuePairs<String, JSONValue>, String) in [
            (["learning_rate": 0.2], "learning_rate was 0.3 and is 0.2 now"),
            (["core": .string(Repository.goldenCore("byt5-like"))], "another core"),
            (["precision": "float32"], "precision"), (["element_type": "int8"], "element_type"),
            (["batch_rows": 100], "batch_rows"), (["seeds": 2], "other jobs"), (["steps": 7], "steps"),
            (["map": "x=food"], "map"), (["init": "uniform"], "init"),
            (["dev": .null, "dev_share": 0.2], "it had a dev file"),
            (["test": .string(folder.file("test.jsonl"))], "the test file"),
        ] { #expect(refusal(others, resume: true).contains(what)) }
        for (file, change, what) in [
            ("train.jsonl", FoodTask.lines(0..<11), "the train file"),
            ("dev.jsonl", FoodTask.lines(12..<15), "the dev file"),
            (
                "task.json", FoodTask.definition.replacingOccurrences(of: "32", with: "30"), "another task"
            ),
        ] {
            let before = try folder.text(file)
            try folder.write(file, change)
            #expect(refusal([:], resume: true).contains(what))
            try folder.write(file, before)
        }
        let path = "out/checkpoint.safetensors"
        var bytes = try folder.bytes(path)
        bytes[bytes.count - 5] ^= 1
        try folder.write(path, bytes)
        #expect(refusal([:], resume: true).contains("damaged"))
        try folder.write(path, bytes.prefix(bytes.count / 2))
        _ = refusal([:], resume: true)
    }

    @Test("begun with resume begins, and is refused where it is finished")
    func resumesAlways() throws {
        try train(folder, "out", resume: true)
        try train(folder, "whole")
        #expect(try prompt(folder, "out") == prompt(folder, "whole"))
        for resume in [true, false] {
            let error = #expect(throws: TrainingError.self) { try train(folder, "out", resume: resume) }
            #expect(error?.message.contains("has a finished run") == true)
        }
    }

    @Test("a finished run's results are those of the settings it was made with, and of no others")
    func finishedResults() throws {
        func results(_ out: String, _ others: KeyValuePairs<String, JSONValue>) throws -> [JSONObject] {
            try RunFolder(path: folder.file(out)).results(
                of: RunDescription(json: settings(folder, others), at: "test"))
        }
        let many: KeyValuePairs<String, JSONValue> = ["seeds": 2, "steps": .null, "epochs": 1]
        try train(folder, "one")
        try train(folder, "many", many)
        #expect(RunFolder(path: folder.file("one")).state == .finished)
        #expect(try results("one", ["threads": 1]) == [folder.json("one/result.json")])
        #expect(try results("many", many).map { $0["seed"] } == [0, 1])
        for (out, others, what): (String, KeyValuePairs<String, JSONValue>, String) in [
            ("one", ["learning_rate": 0.2], "learning_rate was 0.3, not 0.2"), ("one", ["steps": 7], "steps"),
            ("one", many, "one job"), ("many", [:], "jobs are others"),
            ("many", ["seeds": 3, "steps": .null, "epochs": 1], "jobs are others"),
            ("one", ["publish": "x", "store": "s"], "store"), ("one", ["dev": .null], "dev"),
            ("one", ["test": .string(folder.file("test.jsonl"))], "test"),
        ] {
            let error = #expect(throws: TrainingError.self) { try results(out, others) }
            #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
        }
    }

    @Test("replaces a run when asked, and nothing else")
    func overwrites() throws {
        let grid: KeyValuePairs<String, JSONValue> = ["learning_rate": [0.1, 0.3]]
        try train(folder, "out", grid)
        try folder.write("out/notes.txt", "mine")
        try folder.write("out/learning_rate-0.1/notes.txt", "mine")
        let description = try RunDescription(json: settings(folder), at: "test")
        let run = try TrainingRun(description, folder: folder.file("out"), overwrite: true)
        #expect(folder.exists("out/summary.json"), "nothing goes before the run begins")
        _ = try run.run()
        #expect(!folder.exists("out/summary.json") && !folder.exists("out/learning_rate-0.3"))
        #expect(try folder.text("out/notes.txt") == "mine" && folder.exists("out/result.json"))
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.file("out/learning_rate-0.1"))
                == ["notes.txt"])
        for (name, text) in [
            ("prompt.safetensors", "x"), ("card.md", "x"),
            ("task.json", #"{"name": "a", "template": "{b}"}"#),
        ] {
            try folder.makeFolder("foreign")
            try folder.write("foreign/\(name)", text)
            for overwrite in [false, true] {
                let error = #expect(throws: TrainingError.self) {
                    try TrainingRun(description, folder: folder.file("foreign"), overwrite: overwrite)
                }
                #expect(error?.message.contains("foreign/\(name)") == true)
            }
            try folder.remove("foreign")
        }
    }

    @Test("saves a checkpoint with the first step, and goes on when a later one cannot be written")
    func firstCheckpoint() throws {
        let description = try RunDescription(json: settings(folder), at: "test")
        let run = try TrainingRun(description, folder: folder.file("out"))
        var seen: [Bool] = []
        let results = try run.run(progress: { _ in seen.append(folder.exists("out/checkpoint.safetensors")) })
        #expect(seen == [false, true, true, true, true, true] && results.count == 1)
        #expect(!folder.exists("out/checkpoint.safetensors"))
    }

    @Test("stops when the dev score has not become better for as long as patience says")
    func patience() throws {
        let results = try train(
            folder, "out",
            ["steps": 50, "evaluate_every": 1, "patience": 3, "learning_rate": 0, "network_learning_rate": 0])
        #expect(results[0].steps == 3)
    }

    @Test("ends a job whose numbers leave their range, and no other")
    func divergence() throws {
        let results = try train(
            folder, "out",
            [
                "method": "prompt", "bottleneck": .null, "learning_rate": [0.1, 1000], "clip": 0,
                "weight_decay": 1, "steps": 12,
            ])
        #expect(results.count == 2)
        #expect(results[0].steps == 12)
        #expect(try prompt(folder, "out/learning_rate-1000").values.allSatisfy(\.isFinite))
        // Alone it is an error, and the checkpoint that there was stays.
        let description = try RunDescription(
            json: settings(
                folder,
                [
                    "method": "prompt", "bottleneck": .null, "learning_rate": 1000, "clip": 0,
                    "weight_decay": 1,
                    "steps": 60, "evaluate_every": 60,
                ]), at: "test")
        let run = try TrainingRun(description, folder: folder.file("alone"))
        let error = #expect(throws: TrainingError.self) { try run.run() }
        #expect(error?.message.contains("topic: step ") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("last good checkpoint") == true && run.failures.count == 1)
        #expect(!folder.exists("alone/result.json"))
        #expect(throws: TrainingError.self) {
            let resumed = try TrainingRun(description, folder: folder.file("alone"), resume: true)
            _ = try resumed.run(isInterrupted: { true })
        }
    }
}
