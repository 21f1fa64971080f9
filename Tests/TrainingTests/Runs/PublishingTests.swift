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
        #expect(!folder.exists("out/prompt.safetensors"))
        if folder.exists("store/data.mdb") {
            #expect(try PromptStore(path: store, mode: .readOnly).cores() == [])
        }
        // What was trained is not lost with it.
        #expect(error?.message.contains("polyprompt-train fit --out \(folder.file("out")) --resume") == true)
        let resumed = try TrainingRun(description, folder: folder.file("out"), resume: true).run()
        #expect(resumed[0].published?.description == "topic@1")
    }

    @Test(
        "what the store refuses at the end leaves the folder complete, and the command that is named publishes it",
        arguments: ["float32", "int8"])
    func publishedLater(type: String) throws {
        let own = try folder.makeFolder("a store's folder")
        let description = try RunDescription(
            json: settings(
                folder,
                [
                    "store": .string(own + "/it's"), "publish": "topic", "element_type": .string(type),
                    "method": "prompt", "bottleneck": .null,
                ]), at: "test")
        let run = try TrainingRun(description, folder: folder.file("my out"))
        // Everything is looked at before the first step; this comes after it.
        run.didWritePrompt = { _ in
            try FileManager.default.removeItem(atPath: own)
            try Data().write(to: URL(fileURLWithPath: own))
        }
        let error = #expect(throws: TrainingError.self) { try run.run() }
        let message = error?.message ?? ""
        #expect(message.contains("publishing failed"))
        let command = try #require(message.split(separator: "this publishes it: ").last.map(String.init))
        #expect(command.hasPrefix("polyprompt prompts register "), "\(message)")
        #expect(try folder.json("my out/result.json")["published"] == .null)
        #expect(folder.exists("my out/card.md") && folder.exists("my out/checkpoint.safetensors"))
        try FileManager.default.removeItem(atPath: own)
        try folder.link("polyprompt", to: Command.executable("polyprompt"))
        let published = try Command.shell("PATH=.:$PATH; \(command)", in: folder)
        #expect(published.output == "topic@1\n", "\(published.errors)")
        // The run itself finds that published when it goes on.
        let results = try TrainingRun(description, folder: folder.file("my out"), resume: true).run()
        #expect(results[0].published?.description == "topic@1")
        let kept = try PromptStore(path: own + "/it's", mode: .readOnly)
        #expect(try kept.versions(of: "topic").count == 1)
        #expect(try kept.prompt(for: kept.resolve("topic").manifests[0]) == prompt(folder, "my out"))
    }

    @Test("of several jobs the same run publishes later what it could not")
    func severalPublishedLater() throws {
        let description = try RunDescription(
            json: settings(
                folder, ["store": .string(store), "publish": "topic", "seeds": 2, "publish_all": true]),
            at: "test")
        let run = try TrainingRun(description, folder: folder.file("out"))
        run.didWritePrompt = { [store] _ in try Data().write(to: URL(fileURLWithPath: store)) }
        let error = #expect(throws: TrainingError.self) { try run.run() }
        #expect(error?.message.contains("fit --out \(folder.file("out")) --resume") == true)
        #expect(folder.exists("out/seed-0/result.json") && folder.exists("out/summary.json"))
        try folder.remove("store")
        let results = try TrainingRun(description, folder: folder.file("out"), resume: true).run()
        #expect(results.allSatisfy { $0.published != nil } && !folder.exists("out/checkpoint.safetensors"))
    }

    @Test("what would be refused at the end is refused before the first step, and nothing is written")
    func refusedBefore() throws {
        try folder.write("file", "")
        try folder.makeFolder("other")
        try folder.write("other/data.mdb", "no environment")
        try folder.write(
            "numbers.json", #"{"name": "n", "template": "{input}", "metric": "pearson"}"#)
        try folder.write("words.jsonl", #"{"input": "a", "label": "many"}"# + "\n")
        try folder.write(
            "numbers.jsonl", #"{"input": "a", "label": "1"}"# + "\n" + #"{"input": "b", "label": "2"}"# + "\n"
        )
        try folder.write("broken.jsonl", FoodTask.lines(0..<2) + "{\n")
        try folder.write("unknown.jsonl", #"{"input": "a", "label": "0"}"# + "\n")
        let long = String(repeating: "a long description ", count: 60_000)
        try folder.write(
            "long.json",
            FoodTask.definition.replacingOccurrences(
                of: #""name""#, with: #""description": "\#(long)", "name""#))
        func path(_ name: String) -> JSONValue { .string(folder.file(name)) }
        for (others, what): (KeyValuePairs<String, JSONValue>, String) in [
            (["store": path("file"), "publish": "x"], "file"),
            (["store": path("file/below"), "publish": "x"], "file"),
            (["store": path("other"), "publish": "x"], "other"),
            (["store": "/proc/store", "publish": "x"], "/proc"),
            (["test": path("broken.jsonl")], "broken.jsonl:5"),
            (["dev": path("broken.jsonl")], "broken.jsonl:5"),
            (["dev": path("unknown.jsonl")], "unknown.jsonl: no row has a label of the task"),
            (["test": path("unknown.jsonl")], "unknown.jsonl: no row has a label of the task"),
            (
                [
                    "task": path("numbers.json"), "train": path("numbers.jsonl"),
                    "dev": path("numbers.jsonl"),
                    "test": path("words.jsonl"),
                ], "words.jsonl: pearson"
            ),
            (["task": path("long.json")], "definition"),
        ] {
            let error = #expect(throws: TrainingError.self) { try train(folder, "out", others) }
            #expect(error?.message.contains(what) == true, "\(what): \(error?.message ?? "")")
            #expect(!folder.exists("out"))
        }
        let error = #expect(throws: TrainingError.self) { try train(folder, "file/out") }
        #expect(error?.message.contains("is a file, not a folder") == true)
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
