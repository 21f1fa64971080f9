import Foundation
import JSON
import TestSupport
import Testing
import Training

@Suite("A run's description")
struct RunDescriptionTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try FoodTask.write(into: folder)
    }

    private func describe(_ others: KeyValuePairs<String, JSONValue>) throws -> RunDescription {
        try RunDescription(json: settings(folder, others), at: "train.json")
    }

    private func refusal(_ others: KeyValuePairs<String, JSONValue>) -> String {
        let error = #expect(throws: TrainingError.self) { try describe(others) }
        return error?.message ?? ""
    }

    @Test("settings that are lists stand for every combination, one job each")
    func grid() throws {
        let run = try describe(["learning_rate": [0.1, 1], "seeds": 3, "rows": [5]])
        #expect(run.jobs.count == 6)
        #expect(run.jobs.map(\.folder).first == "learning_rate-0.1_seed-0")
        #expect(Set(run.jobs.map(\.variant)) == ["learning_rate-0.1", "learning_rate-1"])
        #expect(run.jobs.allSatisfy { $0.settings.method.rows == 5 })
        #expect(try describe([:]).jobs.map(\.folder) == [""])
    }

    @Test("a method takes no notice of options of others in the same list")
    func mixedMethods() throws {
        let run = try describe(["method": ["prompt", "residual-mlp1", "dpt"], "rank": 4])
        #expect(run.jobs.map(\.settings.method.method) == [.prompt, .residualMLP1, .dpt])
        #expect(run.jobs[2].settings.method.rank == 4 && run.jobs[1].settings.method.bottleneck == 32)
    }

    @Test("what is unknown, of the wrong type, out of range or contradictory is refused by its key")
    func refusals() throws {
        #expect(refusal(["learning-rate": 1]).contains("unknown key \"learning-rate\""))
        #expect(
            refusal(["learning_rate": "fast"]).contains(
                "\"learning_rate\": the string \"fast\" was found, a number"))
        #expect(refusal(["batch": 0]).contains("\"batch\": the number 0"))
        #expect(refusal(["method": "magic"]).contains("method"))
        #expect(refusal(["method": "prompt"]).contains("bottleneck"), "given for a method that has none")
        #expect(refusal(["init": "sideways"]).contains("sideways"))
        #expect(refusal(["optimizer": "adamw", "decay": 0.5]).contains("decay"))
        #expect(refusal(["epochs": 1]).contains("steps and epochs"))
        #expect(refusal(["seed": 1, "seeds": 2]).contains("seed and seeds"))
        #expect(refusal(["seed": [1, 1]]).contains("twice"))
        #expect(refusal(["seed": []]).contains("seed is a list of 0"))
        #expect(refusal(["publish": "x"]).contains("store"))
        #expect(refusal(["store": "s"]).contains("store is given, but nothing is published"))
        for name in ["Urg", "a/b", "{Task}", String(repeating: "x", count: 129), ""] {
            #expect(refusal(["store": "s", "publish": .string(name)]).contains("a-z"), "\(name)")
        }
        #expect(refusal(["training_precision": "int8"]).contains("int8"))
        #expect(refusal(["seeds": 4000, "learning_rate": [1, 2]]).contains("4096"))
        #expect(refusal(["task": .null]).contains("\"task\" is missing"))
        #expect(refusal(["core": .null]).contains("\"core\" is missing"))
        #expect(
            refusal([
                "method": "full", "bottleneck": .null, "rows": .null, "seeds": 2, "training_precision": .null,
            ]).contains("one job"))
        #expect(refusal(["task": "/nowhere/task.json"]).contains("/nowhere/task.json"))
    }

    @Test("a setting that has no effect beside the others is refused by its key")
    func idle() throws {
        let full: [(String, JSONValue)] = [
            ("method", "full"), ("bottleneck", .null), ("rows", .null), ("training_precision", .null),
        ]
        let plain: [(String, JSONValue)] = [("method", "prompt"), ("bottleneck", .null)]
        for (others, key): ([(String, JSONValue)], String) in [
            ([("dev_share", 0.2)], "dev_share"), (full + [("init", "uniform")], "init"),
            (full + [("network_learning_rate", 0.1)], "network_learning_rate"),
            (full + [("element_type", "int8")], "element_type"),
            (full + [("training_precision", "bfloat16")], "training_precision"),
            (full + [("core", "random:t5-small")], "core"),
            (plain + [("network_learning_rate", 0.1)], "network_learning_rate"),
            ([("method", ["prompt", "dpt"])], "bottleneck"),
        ] {
            var object = try settings(folder)
            for (name, value) in others { object[name] = value }
            let error = #expect(throws: TrainingError.self) { try RunDescription(json: object, at: "test") }
            #expect(error?.message.contains(key) == true, "\(key): \(error?.message ?? "")")
        }
        // What one of several jobs has a use for may be given for all.
        #expect(
            try describe(["method": ["prompt", "residual-mlp1"], "network_learning_rate": 0.1]).jobs.count
                == 2)
    }

    @Test("tasks have settings of their own, and need different names")
    func tasks() throws {
        let task: JSONObject = JSONObject([
            ("task", .string(folder.file("task.json"))), ("train", "t.jsonl"), ("steps", 9),
        ])
        var other = task
        other["task"] = .string(
            try folder.write("b.json", #"{"name": "b", "template": "{x}"}"#))
        other["steps"] = nil
        var run = try settings(folder)
        for key in ["task", "train", "dev"] { run[key] = nil }
        run["tasks"] = [.object(task), .object(other)]
        let description = try RunDescription(json: run, at: "train.json")
        #expect(description.jobs.map(\.folder) == ["topic", "b"])
        #expect(description.jobs.map(\.settings.length) == [.steps(9), .steps(6)])
        run["tasks"] = [.object(task), .object(task)]
        #expect(throws: TrainingError.self) { try RunDescription(json: run, at: "train.json") }
        run["store"] = "s"
        run["tasks"] = [.object(task), .object(other)]
        run["publish"] = "one-name"
        let error = #expect(throws: TrainingError.self) { try RunDescription(json: run, at: "train.json") }
        #expect(error?.message.contains("{task}") == true)
    }
}
