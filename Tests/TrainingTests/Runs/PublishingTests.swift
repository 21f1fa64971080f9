import Foundation
import JSON
import PromptStore
import Serving
import T5
import Tasks
import Tensors
import TestSupport
import Testing
import Tokenization
import Training

@Suite("Publishing")
struct PublishingTests {
    let folder: TemporaryFolder
    let store: String

    init() throws {
        folder = try TemporaryFolder()
        store = folder.file("store")
        try FoodTask.write(into: folder)
    }

    private func evaluation() throws -> TaskEvaluation {
        let pool = WorkerPool(threadCount: 2)
        let core = try T5Core(Repository.core, precision: .bfloat16, pool: pool)
        let tokenizer = try #require(
            try CoreTokenizer.load(Repository.core, vocabularySize: core.configuration.vocabularySize))
        return TaskEvaluation(
            core: core, tokenizer: tokenizer, store: try PromptStore(path: store, mode: .readWrite),
            pool: pool)
    }

    @Test("puts the prompt in the store, which then scores as the run said")
    func publishes() throws {
        let results = try train(
            folder, "out",
            [
                "store": .string(store), "publish": "my-topic", "test": .string(folder.file("test.jsonl")),
                "steps": 20,
            ])
        #expect(results[0].published?.description == "my-topic@1")
        #expect(try folder.json("out/result.json")["published"] == "my-topic@1")
        let evaluated = try evaluation().evaluate(
            .tasks(["my-topic"]), data: folder.file("dev.jsonl"))
        #expect(evaluated[0].scores == results[0].dev && evaluated[0].count == 8)
        #expect(evaluated[0].json.keys == ["task", "version", "count", "metrics", "confusion"])
        let tested = try evaluation().evaluate(.tasks(["my-topic@1"]), data: folder.file("test.jsonl"))
        #expect(tested[0].scores == results[0].test)
        let published = try PromptStore(path: store, mode: .readOnly).resolve("my-topic").manifests[0]
        #expect(published.tokenizerHash?.count == 64 && published.provenance["best_step"]?.string != nil)
        #expect(published.definition["name"] == "my-topic")
    }

    @Test(
        "stores the type asked for, and what is stored is what is scored",
        arguments: [PromptElementType.float32, .float16, .bfloat16, .int8])
    func elementTypes(type: PromptElementType) throws {
        let results = try train(
            folder, "out",
            ["store": .string(store), "publish": "topic", "element_type": .string(type.rawValue)])
        #expect(results[0].elementType == type)
        let store = try PromptStore(path: store, mode: .readOnly)
        let manifest = try store.resolve("topic").manifests[0]
        #expect(manifest.elementType == type)
        #expect(try store.prompt(for: manifest) == prompt(folder, "out"))
    }

    @Test("takes the smallest type whose dev score is float32's")
    func smallestType() throws {
        let results = try train(folder, "out", ["steps": 40, "batch": 16, "evaluate_every": 20])
        #expect(results[0].elementType == .int8, "a prompt this clear loses nothing by 8 bits")
    }

    @Test("refuses when the stored prompt is not the one that was scored")
    func exactnessGate() throws {
        try train(folder, "other", ["seed": 9, "init": "uniform", "learning_rate": 0])
        let description = try RunDescription(
            json: settings(folder, ["store": .string(store), "publish": "topic", "steps": 30, "batch": 16]),
            at: "test")
        let run = try TrainingRun(description, folder: folder.file("out"))
        run.didWritePrompt = { [folder] out in
            let path = out + "/prompt.safetensors"
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.copyItem(atPath: folder.file("other/prompt.safetensors"), toPath: path)
        }
        let error = #expect(throws: TrainingError.self) { try run.run() }
        #expect(error?.message.contains("is not published") == true)
        #expect(!folder.exists("out/prompt.safetensors") && !folder.exists("out/result.json"))
        #expect(!folder.exists("store"))
    }

    @Test("refuses when a single bit of the stored prompt has changed")
    func flippedBit() throws {
        let description = try RunDescription(
            json: settings(folder, ["element_type": "float32"]), at: "test")
        let run = try TrainingRun(description, folder: folder.file("out"))
        run.didWritePrompt = { out in
            let url = URL(fileURLWithPath: out + "/prompt.safetensors")
            var bytes = try Data(contentsOf: url)
            bytes[bytes.count - 4] ^= 1
            try bytes.write(to: url)
        }
        let error = #expect(throws: TrainingError.self) { try run.run() }
        #expect(error?.message.contains("is not published") == true)
    }

    @Test("publishes every seed with the best last, and an ensemble of them answers as one")
    func ensemble() throws {
        let results = try train(
            folder, "out",
            [
                "store": .string(store), "publish": "{task}-seeds", "publish_all": true, "seeds": 3,
                "steps": 20,
            ])
        let best = try #require(results.max { $0.dev.primary < $1.dev.primary })
        let newest = results.max { ($0.published?.version ?? 0) < ($1.published?.version ?? 0) }
        #expect(results.allSatisfy { $0.published?.name == "topic-seeds" })
        #expect(newest?.dev.primary == best.dev.primary)
        let versions = results.compactMap(\.published?.description)
        for combination in [Combination.mean, .majority] {
            let evaluated = try evaluation().evaluate(
                .ensemble(versions, combination), data: folder.file("test.jsonl"))
            #expect(evaluated.count == 4 && evaluated[3].version == nil)
            // The same as the store's own ensemble.
            let store = try PromptStore(path: store, mode: .readWrite)
            let ids = results.compactMap(\.published)
            _ = try store.setAlias("all", to: .ensemble(members: ids, combine: combination))
            let alias = try evaluation().evaluate(.tasks(["all"]), data: folder.file("test.jsonl"))
            #expect(alias[0].predictions == evaluated[3].predictions)
            let summary = TaskEvaluation.summary(Array(evaluated.prefix(3)))
            #expect(summary["metrics"]?.object?["accuracy"]?.object?["mean"]?.double != nil)
        }
    }

    @Test("begins with another task's prompt, whose values it has before the first step")
    func startsFromAnotherTask() throws {
        try train(
            folder, "first",
            [
                "store": .string(store), "publish": "first", "element_type": "float32", "method": "prompt",
                "bottleneck": .null,
            ])
        let results = try train(
            folder, "second",
            [
                "store": .string(store), "init": "task:first@1", "method": "prompt", "bottleneck": .null,
                "learning_rate": 0, "weight_decay": 0, "element_type": "float32",
            ])
        #expect(try prompt(folder, "second") == prompt(folder, "first"))
        #expect(results[0].bestStep == 0)
        for (others, what): (KeyValuePairs<String, JSONValue>, String) in [
            (["init": "task:first"], "store"),
            (["init": "task:none", "store": .string(store)], "none"),
        ] {
            let error = #expect(throws: TrainingError.self) { try train(folder, "third", others) }
            #expect(error?.message.contains(what) == true)
        }
    }

    @Test("labels of another domain are scored under the task's names")
    func labelMap() throws {
        try train(folder, "out", ["store": .string(store), "publish": "topic"])
        try folder.write(
            "map.csv", "input,label\nbread and butter,meal\nrain and wind,sky\na stone,geology\n")
        var notes: [String] = []
        let result = try evaluation().evaluate(
            .tasks(["topic"]), data: folder.file("map.csv"),
            labelMap: LabelMap(parsing: "meal=food,sky=weather")
        ) { notes.append($0) }[0]
        #expect(result.confusion?.total == 3 && notes.count == 1 && notes[0].contains("geology"))
        #expect(result.confusion?.count(reference: "food", prediction: "geology") == 0)
        #expect(throws: TrainingError.self) {
            try evaluation().evaluate(.tasks(["none"]), data: folder.file("map.csv"))
        }
    }
}
