import Foundation
import T5
import Tensors
import TestSupport
import Testing
import Training

@Suite("Gradients of weights, and tuned cores")
struct TrainableCoreTests {
    let pool = WorkerPool(threadCount: 2)

    private func load(_ name: String, _ trainable: (String) -> Bool = { _ in true }) throws -> TrainableCore {
        try TrainableCore(directory: Repository.goldenCore(name), trainable: trainable, pool: pool)
    }

    @Test("they are torch's, for every tensor", arguments: GradientGolden.namesWithWeights)
    func golden(name: String) throws {
        let golden = try GradientGolden(name)
        let core = try load(name)
        let result = try core.gradients(prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 0)
        for (gradient, reference) in zip(result.prompts, golden.gradients) {
            #expect(relativeError(gradient, reference) <= 1e-4)
        }
        #expect(Set(core.parameters.map(\.name)) == Set(golden.weights.keys))
        for tensor in core.parameters {
            let reference = try #require(golden.weights[tensor.name])
            #expect(relativeError(tensor.gradient, reference) <= 1e-4, "\(tensor.name)")
        }
    }

    @Test("they add up from pass to pass, and can be set to zero")
    func accumulation() throws {
        let golden = try GradientGolden("v1_1-gated-untied")
        let core = try load("v1_1-gated-untied")
        func pass() throws {
            _ = try core.gradients(prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 0)
        }
        try pass()
        let once = core.parameters.map(\.gradient)
        try pass()
        for (tensor, once) in zip(core.parameters, once) {
            #expect(relativeError(tensor.gradient, once.map { 2 * $0 }) <= 1e-5)
        }
        core.zeroGradients()
        #expect(core.parameters.allSatisfy { $0.gradient.allSatisfy { $0 == 0 } })
        try pass()
        #expect(core.parameters.map(\.gradient) == once)
    }

    @Test("only chosen tensors are tuned, with the same gradients")
    func chosen() throws {
        let golden = try GradientGolden("v1_1-gated-untied")
        let all = try load("v1_1-gated-untied")
        let some = try load("v1_1-gated-untied") { $0.hasSuffix("layer_norm.weight") || $0.contains(".wo.") }
        for core in [all, some] {
            _ = try core.gradients(prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 0)
        }
        #expect(!some.parameters.isEmpty && some.parameters.count < all.parameters.count)
        for tensor in some.parameters {
            let reference = try #require(all.parameters.first { $0.name == tensor.name })
            #expect(tensor.gradient == reference.gradient)
        }
        let error = #expect(throws: T5Error.self) { try load("v1_1-gated-untied") { _ in false } }
        #expect(error?.code == .configuration)
    }

    @Test("a step against the gradient lowers the loss, also where the serving engine computes it")
    func descent() throws {
        let golden = try GradientGolden("duplicate-embeddings")
        let core = try load("duplicate-embeddings")
        func total(_ losses: [Float]) -> Float {
            zip(losses, golden.sequences).reduce(0) { $0 + $1.0 * $1.1.weight }
        }
        let before = try core.gradients(prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 0)
            .losses
        var square: Float = 0
        for tensor in core.parameters { square += tensor.gradient.reduce(0) { $0 + $1 * $1 } }
        let step = 1e-3 / square * total(before)
        for tensor in core.parameters {
            for start in stride(from: 0, to: tensor.count, by: 100) {
                tensor.update(start..<min(start + 100, tensor.count)) { values, gradient in
                    for index in values.indices { values[index] -= step * gradient[index] }
                }
            }
        }
        let frozen = try FrozenCore(core: core.servingCore(), pool: pool)
        let after = try frozen.gradients(prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 0)
            .losses
        let fall = (total(before) - total(after)) / total(before)
        #expect(fall > 0.5e-3 && fall < 1.5e-3)
    }

    @Test("what is written loads with the fingerprint that was stated", arguments: GradientGolden.names)
    func writing(name: String) throws {
        let core = try load(name)
        for tensor in core.parameters { tensor.values = tensor.values.map { $0 * 1.25 } }
        let folder = try TemporaryFolder()
        let path = folder.path + "/core"
        try core.write(to: path)
        let loaded = try T5Core(path, precision: .float32, pool: pool)
        let serving = try core.servingCore()
        #expect(loaded.fingerprint == serving.fingerprint)
        #expect(loaded.fingerprint != (try T5Core(Repository.goldenCore(name), pool: pool)).fingerprint)
        let input = T5Input(rows: [], ids: [5, 6, 7, 1])
        let rows = try [loaded, serving].map {
            try T5Session(core: $0, pool: pool).encode([input]).rows(of: 0)
        }
        #expect(rows[0] == rows[1])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["core"])
        for file in try FileManager.default.contentsOfDirectory(atPath: Repository.goldenCore(name)) {
            let isCopied = file == "config.json" || file.hasPrefix("tokenizer")
            #expect(FileManager.default.fileExists(atPath: "\(path)/\(file)") || !isCopied)
        }
    }

    @Test("a core written as it was stored is the core it was")
    func elementTypes() throws {
        for name in ["sharded-bfloat16", "float16-padded-head", "v1_0-relu-tied"] {
            let folder = try TemporaryFolder()
            let path = folder.path + "/core"
            try load(name).write(to: path, keepingElementTypes: true)
            let before = try T5Core(Repository.goldenCore(name), pool: pool).fingerprint
            #expect(try T5Core(path, pool: pool).fingerprint == before)
        }
    }

    @Test("a serving core keeps its weights when training goes on")
    func snapshot() throws {
        let core = try load("duplicate-embeddings")
        let serving = try core.servingCore()
        func row() throws -> [Float] {
            try T5Session(core: serving, pool: pool).encode([T5Input(rows: [], ids: [5])]).rows(of: 0)
        }
        let before = try row()
        for tensor in core.parameters { tensor.values = tensor.values.map { $0 * 2 } }
        #expect(try row() == before)
    }

    @Test("weights that are not finite, and places that are taken, are refused")
    func refusals() throws {
        let folder = try TemporaryFolder()
        let core = try load("duplicate-embeddings")
        try Data("x".utf8).write(to: URL(fileURLWithPath: folder.path + "/file"))
        let taken = #expect(throws: T5Error.self) { try core.write(to: folder.path) }
        #expect(taken?.code == .unwritable)
        let nowhere = #expect(throws: T5Error.self) { try core.write(to: folder.path + "/file/core") }
        #expect(nowhere?.code == .unwritable)
        core.parameters[3].values[1] = .nan
        let broken = #expect(throws: T5Error.self) { try core.write(to: folder.path + "/core") }
        #expect(broken?.code == .weights)
        #expect(broken?.message.contains(core.parameters[3].name) == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
    }
}
