import Foundation
import T5
import Tensors
import TestSupport
import Testing
import Training

@Suite("Gradients of prompts")
struct PromptGradientTests {
    let pool = WorkerPool(threadCount: 2)

    private func frozen(
        _ directory: String, _ precision: T5Core.Precision = .float32, pool: WorkerPool? = nil,
        keptBytes: Int = 512 << 20
    ) throws -> FrozenCore {
        let pool = pool ?? self.pool
        return try FrozenCore(
            core: T5Core(directory, precision: precision, pool: pool), pool: pool, dropout: 0,
            keptBytes: keptBytes)
    }

    @Test("in float32 losses and gradients are torch's", arguments: GradientGolden.names)
    func golden(name: String) throws {
        let golden = try GradientGolden(name)
        let result = try frozen(golden.directory).gradients(
            prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 0)
        for (loss, reference) in zip(result.losses, golden.losses) {
            #expect(abs(Double(loss) - reference) <= 1e-5 * max(1, reference))
        }
        #expect(result.prompts.count == 2)
        for (gradient, reference) in zip(result.prompts, golden.gradients) {
            #expect(relativeError(gradient, reference) <= 1e-4)
        }
    }

    @Test("in bfloat16 they are near torch's", arguments: GradientGolden.names)
    func goldenBFloat16(name: String) throws {
        let golden = try GradientGolden(name)
        let result = try frozen(golden.directory, .bfloat16).gradients(
            prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 0)
        for (loss, reference) in zip(result.losses, golden.losses) {
            #expect(abs(Double(loss) - reference) <= 0.05 * max(1, reference))
        }
        for (prompt, (gradient, reference)) in zip(result.prompts, golden.gradients).enumerated() {
            // A choice's gradient hangs on differences of likelihoods, each with bfloat16's error.
            let hasChoice = golden.sequences.contains { $0.prompt == prompt && $0.alternatives != nil }
            #expect(cosine(gradient, reference) >= (hasChoice ? 0.97 : 0.99))
            #expect(relativeError(gradient, reference) <= (hasChoice ? 0.25 : 0.15))
        }
    }

    @Test("what is computed again is what was kept", arguments: [T5Core.Precision.float32, .bfloat16])
    func recomputation(precision: T5Core.Precision) throws {
        for name in ["v1_0-relu-tied", "v1_1-gated-untied"] {
            let golden = try GradientGolden(name)
            let kept = try frozen(golden.directory, precision).gradients(
                prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 0)
            let computed = try frozen(golden.directory, precision, keptBytes: 0).gradients(
                prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 0)
            #expect(kept.losses == computed.losses)
            #expect(kept.prompts == computed.prompts)
        }
    }

    @Test("losses are the negative log-likelihoods that the serving session scores")
    func sameAsServing() throws {
        for (precision, tolerance) in [(T5Core.Precision.float32, 1e-5), (.bfloat16, 0.03)] {
            let golden = try GradientGolden("v1_1-gated-untied")
            let core = try T5Core(golden.directory, precision: precision, pool: pool)
            let session = T5Session(core: core, pool: pool)
            let labels: [[Int32]] = [[5, 6, 1], [5, 7, 1], [9, 1]]
            let input = T5Input(rows: golden.prompts[0], ids: [4, 8, 15, 16, 23, 42, 1])
            let encoded = try session.encode([input])
            func sequence(_ label: [Int32], _ candidates: [[Int32]]?) -> TrainingSequence {
                TrainingSequence(
                    prompt: 0, inputIDs: input.ids, targetPrefix: [3, 2], target: label,
                    candidates: candidates)
            }
            let frozen = try FrozenCore(core: core, pool: pool)
            var likelihoods: [Double] = []
            for normalization in [LabelNormalization.labels, .vocabulary] {
                let plan = LabelPlan(LabelTrie(labels), over: normalization, prefix: [3, 2])
                let scores = try session.scoreLabels(encoded, [(0, plan)])[0]
                let candidates: [[[Int32]]?] =
                    normalization == .labels
                    ? [[[5, 9], [6, 7], [1]], [[9, 5], [6, 7], [1]], [[5, 9], [1]]] : [nil, nil, nil]
                let result = try frozen.gradients(
                    prompts: [golden.prompts[0]], sequences: zip(labels, candidates).map { sequence($0, $1) },
                    dropoutSeed: 0)
                for (loss, score) in zip(result.losses, scores) {
                    #expect(abs(Double(loss) + score) <= tolerance * max(1, abs(score)))
                }
                likelihoods = scores
            }
            // The choice among them, by what they are over all pieces.
            let total = log(likelihoods.reduce(0) { $0 + exp($1) })
            let choices = try frozen.gradients(
                prompts: [golden.prompts[0]],
                sequences: labels.map { label in
                    var sequence = sequence(label, nil)
                    sequence.alternatives = labels.filter { $0 != label }
                    return sequence
                }, dropoutSeed: 0)
            for (loss, likelihood) in zip(choices.losses, likelihoods) {
                #expect(abs(Double(loss) - (total - likelihood)) <= tolerance * max(1, abs(likelihood)))
            }
        }
    }

    @Test("in bfloat16 a sequence contributes the same bits in any batch and on any number of threads")
    func batchIndependence() throws {
        var numbers = SeededGenerator(state: 7)
        for name in ["v1_0-relu-tied", "v1_1-gated-untied"] {
            let core = try frozen(Repository.goldenCore(name), .bfloat16)
            let width = core.configuration.modelWidth
            let prompts = (0..<6).map { numbers.floats((2 + $0) * width) }
            let sequences = prompts.indices.map { prompt in
                TrainingSequence(
                    prompt: prompt, inputIDs: numbers.ids(150 * (prompt % 3) + 1, below: 100),
                    target: numbers.ids(1 + prompt, below: 100),
                    alternatives: prompt % 2 == 0 ? nil : [[1], numbers.ids(3, below: 100)])
            }
            let together = try core.gradients(prompts: prompts, sequences: sequences, dropoutSeed: 0)
            let single = try frozen(Repository.goldenCore(name), .bfloat16, pool: WorkerPool(threadCount: 1))
            let onOneThread = try single.gradients(prompts: prompts, sequences: sequences, dropoutSeed: 0)
            #expect(onOneThread.prompts == together.prompts)
            #expect(onOneThread.losses == together.losses)
            for (prompt, var sequence) in zip(prompts, sequences) {
                let index = sequence.prompt ?? 0
                sequence.prompt = 0
                let alone = try core.gradients(prompts: [prompt], sequences: [sequence], dropoutSeed: 0)
                #expect(alone.prompts[0] == together.prompts[index])
                #expect(alone.losses[0] == together.losses[index])
            }
        }
    }

    @Test(
        "a prompt's gradient is the sum over its sequences", arguments: [T5Core.Precision.float32, .bfloat16])
    func sums(precision: T5Core.Precision) throws {
        let golden = try GradientGolden("v1_1-gated-untied")
        let core = try frozen(golden.directory, precision)
        let whole = try core.gradients(prompts: golden.prompts, sequences: golden.sequences, dropoutSeed: 0)
        var sum = golden.prompts.map { [Float](repeating: 0, count: $0.count) }
        for sequence in golden.sequences {
            let part = try core.gradients(prompts: golden.prompts, sequences: [sequence], dropoutSeed: 0)
            for prompt in sum.indices { sum[prompt] = zip(sum[prompt], part.prompts[prompt]).map { $0 + $1 } }
        }
        for (gradient, sum) in zip(whole.prompts, sum) { #expect(relativeError(gradient, sum) <= 1e-5) }
    }

    @Test(
        "the gradient of a choice is that of its answers, each less its probability",
        arguments: [(T5Core.Precision.float32, 1e-5 as Float), (.bfloat16, 0.03)])
    func choices(precision: T5Core.Precision, tolerance: Float) throws {
        for name in ["v1_0-relu-tied", "v1_1-gated-untied"] {
            let golden = try GradientGolden(name)
            let core = try frozen(golden.directory, precision)
            let answers: [[Int32]] = [[5, 6, 1], [5, 7, 8, 2, 1], [9, 1], [1]]
            func sequence(_ answer: Int, alternatives: [[Int32]]?, weight: Float) -> TrainingSequence {
                TrainingSequence(
                    prompt: 0, inputIDs: [4, 8, 15, 16, 1], targetPrefix: [3], target: answers[answer],
                    alternatives: alternatives, weight: weight)
            }
            let prompts = [golden.prompts[0]]
            let choice = try core.gradients(
                prompts: prompts,
                sequences: [sequence(1, alternatives: [answers[0], answers[2], answers[3]], weight: 2)],
                dropoutSeed: 0)
            let losses = try core.gradients(
                prompts: prompts,
                sequences: answers.indices.map { sequence($0, alternatives: nil, weight: 1) }, dropoutSeed: 0
            ).losses
            let total = log(losses.reduce(0) { $0 + exp(-Double($1)) })
            let sum = try core.gradients(
                prompts: prompts,
                sequences: answers.indices.map { answer in
                    let probability = Float(exp(-Double(losses[answer]) - total))
                    return sequence(
                        answer, alternatives: nil, weight: 2 * ((answer == 1 ? 1 : 0) - probability))
                }, dropoutSeed: 0)
            #expect(abs(Double(choice.losses[0]) - (total + Double(losses[1]))) <= Double(tolerance) * 10)
            #expect(relativeError(choice.prompts[0], sum.prompts[0]) <= tolerance)
        }
    }

    @Test("losses fall along the gradient as it says: finite differences")
    func finiteDifferences() throws {
        var numbers = SeededGenerator(state: 11)
        let core = try frozen(Repository.goldenCore("byt5-like"))
        let width = core.configuration.modelWidth
        let prompts = [numbers.floats(7 * width), numbers.floats(2 * width)]
        let sequences = (0..<5).map { index in
            TrainingSequence(
                prompt: index % 2, inputIDs: numbers.ids(3 + 20 * index, below: 300),
                target: numbers.ids(1 + index, below: 300), weight: 0.5 + Float(index))
        }
        let gradients = try core.gradients(prompts: prompts, sequences: sequences, dropoutSeed: 0).prompts
        func loss(_ prompts: [[Float]]) throws -> Double {
            let losses = try core.gradients(prompts: prompts, sequences: sequences, dropoutSeed: 0).losses
            return zip(losses, sequences).reduce(0) { $0 + Double($1.0) * Double($1.1.weight) }
        }
        for _ in 0..<3 {
            let direction = prompts.map { numbers.floats($0.count) }
            let slope = zip(gradients, direction).reduce(0) { sum, pair in
                sum + zip(pair.0, pair.1).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
            let step: Float = 2e-3
            func moved(_ step: Float) -> [[Float]] {
                zip(prompts, direction).map { zip($0, $1).map { $0 + step * $1 } }
            }
            let measured = (try loss(moved(step)) - (try loss(moved(-step)))) / Double(2 * step)
            #expect(abs(measured - slope) <= 0.02 * max(abs(slope), 1))
        }
    }

    @Test("an answer that costs nothing to tell has loss 0 and changes nothing")
    func forcedAnswers() throws {
        let core = try frozen(Repository.goldenCore("v1_0-relu-tied"))
        let prompt = [Float](repeating: 0.5, count: core.configuration.modelWidth)
        let result = try core.gradients(
            prompts: [prompt],
            sequences: [
                TrainingSequence(prompt: 0, inputIDs: [5, 1], target: [7, 1], candidates: [[7], [1]]),
                TrainingSequence(prompt: 0, inputIDs: [5, 1], target: [7, 1], alternatives: []),
            ],
            dropoutSeed: 0)
        #expect(result.losses == [0, 0])
        #expect(result.prompts == [[Float](repeating: 0, count: prompt.count)])
    }
}
