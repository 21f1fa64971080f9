import T5
import Tensors
import TestSupport
import Testing
import Training

@Suite("Dropout within the core")
struct DropoutTests {
    let pool = WorkerPool(threadCount: 2)

    private func frozen(
        _ name: String, _ precision: T5Core.Precision = .float32, rate: Float = 0.2,
        keptBytes: Int = 512 << 20
    ) throws -> FrozenCore {
        try FrozenCore(
            core: T5Core(Repository.goldenCore(name), precision: precision, pool: pool), pool: pool,
            dropout: rate,
            keptBytes: keptBytes)
    }

    @Test(
        "the same seed drops the same, computed again or kept; another seed drops others",
        arguments: [T5Core.Precision.float32, .bfloat16])
    func seeds(precision: T5Core.Precision) throws {
        for name in ["v1_0-relu-tied", "v1_1-gated-untied"] {
            let golden = try GradientGolden(name)
            func gradients(_ core: FrozenCore, _ seed: UInt64) throws -> PromptGradients {
                try core.gradients(prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: seed)
            }
            let core = try frozen(name, precision)
            let first = try gradients(core, 3)
            #expect(try gradients(core, 3).prompts == first.prompts)
            #expect(try gradients(frozen(name, precision, keptBytes: 0), 3).prompts == first.prompts)
            let other = try gradients(core, 4)
            #expect(other.prompts != first.prompts)
            #expect(other.losses[0] != first.losses[0])
            let without = try gradients(frozen(name, precision, rate: 0), 3)
            #expect(without.losses[0] != first.losses[0])
        }
    }

    @Test("the gradient is that of the function with these elements dropped: finite differences")
    func finiteDifferences() throws {
        for name in ["v1_0-relu-tied", "v1_1-gated-untied"] {
            let golden = try GradientGolden(name)
            let core = try frozen(name)
            var numbers = SeededGenerator(state: 5)
            func losses(_ prompts: [[Float]]) throws -> [Double] {
                let losses = try core.gradients(
                    prompts: prompts, sequences: golden.sequences, dropoutSeed: 9
                ).losses
                return zip(losses, golden.sequences).map { Double($0) * Double($1.weight) }
            }
            let gradients = try core.gradients(
                prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 9
            ).prompts
            for _ in 0..<3 {
                let direction = golden.prompts.map { numbers.floats($0.count) }
                let slope = zip(gradients, direction).reduce(0) { sum, pair in
                    sum + zip(pair.0, pair.1).reduce(0) { $0 + Double($1.0) * Double($1.1) }
                }
                let step: Float = 5e-4
                func moved(_ step: Float) -> [[Float]] {
                    zip(golden.prompts, direction).map { zip($0, $1).map { $0 + step * $1 } }
                }
                let measured = zip(try losses(moved(step)), try losses(moved(-step))).map {
                    ($0 - $1) / Double(2 * step)
                }
                // The sequences' slopes may cancel each other; what is off in them does not.
                let scale = measured.reduce(0) { $0 + abs($1) }
                #expect(abs(measured.reduce(0, +) - slope) <= 0.02 * scale)
            }
        }
    }

    @Test("the weights' gradients are those of the function with these elements dropped")
    func weights() throws {
        let golden = try GradientGolden("v1_1-gated-untied")
        let core = try TrainableCore(directory: golden.directory, pool: pool, dropout: 0.2)
        func loss() throws -> Double {
            let losses = try core.gradients(
                prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 2
            ).losses
            return zip(losses, golden.sequences).reduce(0) { $0 + Double($1.0) * Double($1.1.weight) }
        }
        _ = try loss()
        let gradients = core.parameters.map(\.gradient)
        for (tensor, gradient) in zip(core.parameters, gradients) {
            let values = tensor.values
            let size = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            guard size > 0.05 else { continue }
            // Along the gradient itself, by a small part of the tensor's own size.
            let scale = values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let step = 1e-4 * scale / size
            func moved(_ step: Double) throws -> Double {
                tensor.values = zip(values, gradient).map { $0 + Float(step) * $1 }
                return try loss()
            }
            let measured = (try moved(step) - (try moved(-step))) / (2 * step)
            tensor.values = values
            #expect(abs(measured - size * size) <= 0.05 * size * size, "\(tensor.name)")
        }
    }

    @Test("the mean over seeds is near the loss without: what is kept is scaled up")
    func mean() throws {
        let golden = try GradientGolden("byt5-like")
        let sequence = golden.sequences[0]
        func loss(_ core: FrozenCore, _ seed: UInt64) throws -> Float {
            try core.gradients(prompts: golden.prompts, sequences: [sequence], dropoutSeed: seed).losses[0]
        }
        let without = try loss(frozen("byt5-like", rate: 0), 0)
        let core = try frozen("byt5-like", rate: 0.02)
        let mean = try (0..<50).reduce(Float(0)) { $0 + (try loss(core, UInt64($1))) } / 50
        #expect(abs(mean - without) <= 0.15 * without)
    }
}
