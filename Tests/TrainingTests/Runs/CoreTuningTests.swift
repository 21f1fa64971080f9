import Foundation
import JSON
import Serving
import T5
import Tensors
import TestSupport
import Testing
import Training

@Suite("Training a core's own weights")
struct CoreTuningTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
        try FoodTask.write(into: folder)
    }

    private let full: KeyValuePairs<String, JSONValue> = [
        "method": "full", "rows": .null, "bottleneck": .null, "steps": 10, "batch": 8, "evaluate_every": 5,
        "learning_rate": 0.001, "training_precision": .null,
    ]

    @Test("full tuning writes a core that answers as the result says, and goes on from an interruption")
    func fullTuning() throws {
        let result = try train(folder, "out", full)[0]
        #expect(result.dev.primary >= 0.75 && result.elementType == nil)
        #expect(folder.exists("out/core/model.safetensors") && folder.exists("out/core/spiece.model"))
        #expect(try folder.json("out/result.json")["rows"] == 0 && !folder.exists("out/prompt.safetensors"))
        let pool = WorkerPool(threadCount: 2)
        let tuned = try T5Core(folder.file("out/core"), precision: .float32, pool: pool)
        let core = try T5Core(Repository.core, precision: .float32, pool: pool)
        #expect(tuned.fingerprint != core.fingerprint)
        let error = #expect(throws: TrainingError.self) {
            try train(folder, "parts", full, interruptedAfter: 7)
        }
        #expect(error?.isInterruption == true)
        try train(folder, "parts", full, resume: true)
        let resumed = try T5Core(folder.file("parts/core"), precision: .float32, pool: pool)
        #expect(resumed.fingerprint == tuned.fingerprint)
        #expect(throws: TrainingError.self, "a core is not written over") { try train(folder, "out", full) }
    }

    @Test(
        "chosen weights beside a prompt: the others stay, and the prompt belongs to the core that is written")
    func trainWeights() throws {
        try train(
            folder, "out",
            [
                "train_weights": "decoder.block.0.layer.1.EncDecAttention.*", "network_learning_rate": 0.01,
                "training_precision": .null,
            ])
        let pool = WorkerPool(threadCount: 2)
        let written = try T5Core(folder.file("out/core"), precision: .bfloat16, pool: pool)
        #expect(try folder.metadata("out")["core_fingerprint"] == written.fingerprint)
        let before = try SafetensorsFile(path: Repository.core + "/model.safetensors")
        let after = try SafetensorsFile(path: folder.file("out/core/model.safetensors"))
        var changed: [String] = []
        for name in before.entries.keys.sorted().map(\.string) where after.entries[name] != nil {
            if try before.tensor(name)?.values() != after.tensor(name)?.values() { changed.append(name) }
        }
        #expect(
            changed == ["k", "o", "q", "v"].map { "decoder.block.0.layer.1.EncDecAttention.\($0).weight" })
        let error = #expect(throws: TrainingError.self) {
            try train(folder, "none", ["train_weights": "nothing.*", "training_precision": .null])
        }
        #expect(error?.message.contains("no tensor of") == true)
    }

    @Test("adaptation to text lowers the loss on text held out, and goes on from an interruption")
    func adaptation() throws {
        let sentence = "the quick brown fox jumps over the lazy dog while the old clock strikes seven . "
        var settings = AdaptationSettings(
            core: Repository.core,
            texts: [try folder.write("text.txt", String(repeating: sentence, count: 60))])
        settings.steps = 8
        settings.batch = 4
        settings.length = 24
        let outcome = try CoreAdaptation(settings, to: folder.file("adapted")).run()
        #expect(outcome.loss.after < outcome.loss.before * 0.8, "\(outcome.loss)")
        var done = 0
        let error = #expect(throws: TrainingError.self) {
            try CoreAdaptation(settings, to: folder.file("parts")).run(
                isInterrupted: { done >= 3 }, progress: { step, _ in done = step })
        }
        #expect(error?.isInterruption == true && !folder.exists("parts"))
        let resumed = try CoreAdaptation(settings, to: folder.file("parts"), resume: true).run()
        #expect(resumed.loss == outcome.loss)
        let pool = WorkerPool(threadCount: 2)
        #expect(
            try T5Core(folder.file("parts"), pool: pool).fingerprint
                == T5Core(folder.file("adapted"), pool: pool).fingerprint)
        for (change, what): ((inout AdaptationSettings) -> Void, String) in [
            ({ $0.length = 100_000 }, "windows"), ({ $0.texts = ["/nowhere.txt"] }, "/nowhere.txt"),
            ({ $0.batch = 0 }, "batch"),
        ] {
            var other = settings
            change(&other)
            let error = #expect(throws: TrainingError.self) {
                try CoreAdaptation(other, to: folder.file("refused"))
            }
            #expect(error?.message.contains(what) == true)
        }
    }
}
