import JSON
import PromptStore
import Serving
import T5
import Tensors

/// A core in memory with its threads and a store, ready to answer.
struct LoadedCore {
    let core: T5Core
    let pool: WorkerPool
    let tasks: TemporaryStore
    let loadSeconds: Double

    init(_ settings: BenchmarkSettings) throws {
        let pool = WorkerPool(threadCount: settings.threads)
        settings.progress("loading the core")
        let start = ContinuousClock.now
        core = try T5Core(settings.core, precision: settings.precision, pool: pool)
        loadSeconds = (ContinuousClock.now - start) / .seconds(1)
        self.pool = pool
        tasks = try TemporaryStore()
    }

    func makeEngine() -> InferenceEngine {
        let tokenizer = NumberTokenizer(
            pieceCount: core.configuration.vocabularySize, endOfSequence: core.configuration.endOfSequenceID)
        return InferenceEngine(core: core, tokenizer: tokenizer, store: tasks.store, pool: pool)
    }
}

extension InferenceEngine {
    /// Answers every request, or says which could not be.
    func answerAll(_ requests: [InferenceRequest]) throws(BenchmarkError) -> [InferenceResponse.Answer] {
        var answers: [InferenceResponse.Answer] = []
        answers.reserveCapacity(requests.count)
        for (index, response) in answer(requests).enumerated() {
            do { answers.append(try response.result.get()) } catch {
                throw BenchmarkError("request \(index) was not answered: \(error.message)")
            }
        }
        return answers
    }
}
