import T5
import Tensors
import TestSupport
import Testing
import Training

@Suite("What a differentiable core refuses")
struct InputErrorTests {
    let pool = WorkerPool(threadCount: 1)
    let core: FrozenCore
    let prompt: [Float]

    init() throws {
        core = try FrozenCore(
            core: T5Core(Repository.goldenCore("v1_0-relu-tied"), precision: .float32, pool: pool), pool: pool
        )
        prompt = [Float](repeating: 0.1, count: 2 * core.configuration.modelWidth)
    }

    /// Why a batch is refused; says so when it is not.
    private func failure(_ sequences: [TrainingSequence], prompts: [[Float]]? = nil) -> String {
        do {
            _ = try core.gradients(prompts: prompts ?? [prompt], sequences: sequences, dropoutSeed: 0)
            return "nothing was refused"
        } catch {
            return error.code == .input ? error.message : "another code"
        }
    }

    private func sequence(
        prompt: Int? = 0, ids: [Int32] = [5, 1], prefix: [Int32] = [], target: [Int32] = [7, 1],
        candidates: [[Int32]]? = nil, alternatives: [[Int32]]? = nil, weight: Float = 1
    ) -> TrainingSequence {
        TrainingSequence(
            prompt: prompt, inputIDs: ids, targetPrefix: prefix, target: target, candidates: candidates,
            alternatives: alternatives, weight: weight)
    }

    @Test("ids that the core does not have, wherever they stand")
    func ids() {
        #expect(failure([sequence(ids: [5, 100])]).contains("id 100 in its input is out of range"))
        #expect(failure([sequence(ids: [-1])]).contains("id -1 in its input"))
        #expect(
            failure([sequence(), sequence(prefix: [100])]).contains("sequence 1: id 100 in its target prefix")
        )
        #expect(failure([sequence(target: [100])]).contains("id 100 in its target"))
        #expect(failure([sequence(candidates: [[7, 100], [1]])]).contains("id 100 in its candidates"))
    }

    @Test("answers and candidates that do not go together")
    func answers() {
        #expect(failure([sequence(target: [])]).contains("empty answer"))
        #expect(failure([sequence(candidates: [[7, 8]])]).contains("candidates for 1 ids; its target has 2"))
        #expect(
            failure([sequence(candidates: [[8, 9], [1]])]).contains("not among that place's candidates"))
        #expect(failure([sequence(candidates: [[7, 8, 8], [1]])]).contains("occurs twice"))
        #expect(failure([sequence(alternatives: [[8, 1], []])]).contains("an alternative that is empty"))
        #expect(failure([sequence(alternatives: [[7, 1]])]).contains("an alternative that is its target"))
        #expect(failure([sequence(alternatives: [[100, 1]])]).contains("id 100 in its alternatives"))
        #expect(
            failure([sequence(candidates: [[7, 8], [1]], alternatives: [[8, 1]])]).contains(
                "both candidates and alternatives"))
    }

    @Test("prompts that are not rows of the core's width, or not finite, or not there")
    func prompts() {
        #expect(failure([sequence()], prompts: [[1, 2, 3]]).contains("not rows of the core's width 64"))
        var infinite = prompt
        infinite[70] = .infinity
        #expect(failure([sequence()], prompts: [infinite]).contains("value inf at row 1, column 6"))
        #expect(failure([sequence(prompt: 1)]).contains("names prompt 1; the batch has 1"))
        #expect(failure([sequence(prompt: -1)]).contains("names prompt -1"))
    }

    @Test("batches and sequences without rows, and weights that are not finite")
    func nothing() {
        #expect(failure([]).contains("at least one sequence"))
        #expect(failure([sequence(prompt: nil, ids: [])]).contains("neither prompt rows nor input ids"))
        #expect(failure([sequence(ids: [])], prompts: [[]]).contains("neither prompt rows nor input ids"))
        #expect(failure([sequence(weight: .nan)]).contains("weight nan"))
    }

    @Test("numbers that leave float32's range")
    func overflow() {
        let huge = [Float](repeating: 3e38, count: prompt.count)
        #expect(failure([sequence()], prompts: [huge]).contains("lower the learning rate"))
        #expect(
            failure([sequence(weight: 3e38), sequence(weight: 3e38)]).contains("lower the learning rate"))
    }

    @Test("int8 cores and dropout rates that are none")
    func configuration() throws {
        let packed = try T5Core(Repository.goldenCore("v1_0-relu-tied"), precision: .int8, pool: pool)
        let error = #expect(throws: T5Error.self) { try FrozenCore(core: packed, pool: pool) }
        #expect(error?.code == .configuration)
        #expect(error?.message.contains("int8 cannot be trained through") == true)
        for rate: Float in [-0.1, 1, .nan] {
            #expect(throws: T5Error.self) { try FrozenCore(core: core.core, pool: pool, dropout: rate) }
        }
    }
}
