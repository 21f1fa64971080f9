import Foundation
import JSON
import T5
import Tensors
import TestSupport
import Testing
import Training

@Suite("A checkpoint")
struct CheckpointTests {
    let folder: TemporaryFolder
    /// A core that is small enough for every combination.
    private let core = JSONValue.string(Repository.goldenCore("byt5-like"))

    init() throws {
        folder = try TemporaryFolder()
        try FoodTask.write(into: folder)
        try folder.write(
            "other.json",
            FoodTask.definition.replacingOccurrences(
                of: #""topic""#, with: #""other", "normalize": "vocabulary""#))
    }

    /// Every form that an optimizer's state has.
    static let optimizers: [(name: String, settings: [String: JSONValue])] = [
        ("AdamW", ["optimizer": "adamw"]),
        ("Adafactor", ["optimizer": "adafactor"]),
        ("Adafactor with means of updates", ["optimizer": "adafactor", "beta1": 0.9]),
        ("Adafactor that scales", ["optimizer": "adafactor", "parameter_scaling": true, "beta1": 0]),
    ]

    /// Trains so many steps of a run that has more, and gives what its checkpoint then holds.
    private func state(
        _ description: JSONObject, _ out: String, stops: [Int]
    ) throws -> (arrays: [String: [UInt32]], jobs: [JSONObject]) {
        for steps in stops {
            let run = try TrainingRun(
                RunDescription(json: description, at: "test"), folder: folder.file(out), resume: true)
            var done = 0
            let error = #expect(throws: TrainingError.self) {
                try run.run(isInterrupted: { done >= steps }, progress: { _ in done += 1 })
            }
            #expect(error?.isInterruption == true, "\(error?.message ?? "")")
        }
        let file = try SafetensorsFile(path: folder.file("\(out)/checkpoint.safetensors"))
        var arrays: [String: [UInt32]] = [:]
        for name in file.entries.keys.map(\.string) {
            arrays[name] = try file.tensor(name)?.values().map(\.bitPattern)
        }
        let state = try #require(try JSONValue.parse(file.metadata["state"] ?? "").object)
        let jobs = try #require(state["jobs"]?.array).map { job in
            var job = try #require(job.object)
            // Times are not of the state.
            job["reports"] = .array(
                (job["reports"]?.array ?? []).map { report in
                    .object((report.object ?? JSONObject()).members { key, _ in key != "seconds" })
                })
            return job
        }
        return (arrays, jobs)
    }

    private func expectSame(_ description: JSONObject, jobs count: Int) throws {
        let whole = try state(description, "whole", stops: [4])
        // Before the first step, after it, and once more.
        let parts = try state(description, "parts", stops: [0, 1, 3])
        #expect(whole.jobs.count == count && whole.jobs.allSatisfy { $0["step"] == 4 })
        #expect(whole.jobs == parts.jobs)
        #expect(!whole.arrays.isEmpty && whole.arrays == parts.arrays)
    }

    @Test(
        "of every method, two tasks and two seeds together: what goes on from it is bit for bit what it would have been",
        arguments: optimizers, ["float32", "bfloat16"])
    func everyForm(optimizer: (name: String, settings: [String: JSONValue]), precision: String) throws {
        func task(_ file: String) -> JSONValue {
            .object(
                JSONObject([
                    ("task", .string(folder.file(file))), ("train", .string(folder.file("train.jsonl"))),
                    ("dev", .string(folder.file("dev.jsonl"))),
                ]))
        }
        var description = JSONObject([
            ("core", core), ("precision", .string(precision)), ("training_precision", .string(precision)),
            ("tasks", [task("task.json"), task("other.json")]), ("seed", [0, 7]), ("rows", 3), ("batch", 2),
            ("bottleneck", 8), ("latent", 4), ("bases", 8), ("rank", 2), ("steps", 50), ("evaluate_every", 2),
            (
                "method",
                .array(
                    TrainingMethod.allCases.filter { $0 != .full }.map { .string($0.rawValue) })
            ),
        ])
        for (key, value) in optimizer.settings { description[key] = value }
        try expectSame(description, jobs: 2 * 2 * 8)
    }

    @Test("of a core's own weights, all or some of them", arguments: optimizers, [true, false])
    func weights(optimizer: (name: String, settings: [String: JSONValue]), all: Bool) throws {
        var description = try settings(
            folder,
            [
                "core": core, "training_precision": .null, "bottleneck": .null, "batch": 2, "steps": 50,
                "evaluate_every": 2, "method": all ? "full" : "prompt", "rows": all ? .null : 3,
                "train_weights": all ? .null : "decoder.*",
            ])
        for (key, value) in optimizer.settings { description[key] = value }
        try expectSame(description, jobs: 1)
    }

    @Test("holds a job whose numbers left their range, beside others that go on")
    func diverged() throws {
        let description = try settings(
            folder,
            [
                "core": core, "method": "prompt", "bottleneck": .null, "learning_rate": [0.1, 1000],
                "clip": 0,
                "weight_decay": 1, "steps": 60, "evaluate_every": 60, "optimizer": "adafactor",
            ])
        let whole = try state(description, "whole", stops: [30])
        #expect(whole.jobs.map { $0["ending"]?.string } == [nil, "diverged"])
        #expect(whole.jobs[1]["failure"]?.string?.contains("step ") == true)
        let parts = try state(description, "parts", stops: [26, 4])
        #expect(whole.jobs == parts.jobs && whole.arrays == parts.arrays)
    }
}
