import PromptStore
import Serving
import T5
import Tensors

/// An engine over a core and the tasks of a store.
func makeEngine(core directory: String, store: String) throws -> InferenceEngine {
    let pool = WorkerPool(threadCount: WorkerPool.availableProcessors)
    let core = try T5Core(directory, pool: pool)
    return InferenceEngine(
        core: core,
        tokenizer: try CoreTokenizer.load(
            directory, vocabularySize: core.configuration.vocabularySize),
        store: try PromptStore(path: store, mode: .readOnly), pool: pool)
}

/// Asks several tasks about one text, in one pass.
func ask(_ tasks: [String], about text: String, _ engine: InferenceEngine) -> [String] {
    let requests = tasks.map { InferenceRequest(task: $0, input: .text(.string(text))) }
    return zip(tasks, engine.answer(requests)).map { task, response in
        switch response.result {
        case .success(let answer): "\(task): \(answer.label ?? answer.output ?? "")"
        case .failure(let error): "\(task): \(error.code.rawValue)"
        }
    }
}

/// Hands requests in as they come and hears of each answer as soon as it is there.
func serve(
    _ next: () -> InferenceRequest?, _ engine: InferenceEngine, answer: (InferenceResponse) -> Void
) {
    var isOver = false
    while !isOver || !engine.isIdle {
        while !isOver, engine.waitingRows < engine.batchRows {
            guard let request = next() else {
                isOver = true
                break
            }
            do {
                engine.submit(try engine.preparer.prepare(request))
            } catch {
                answer(InferenceResponse(id: request.id, result: .failure(error)))
            }
        }
        for answered in engine.step() { answer(answered.response) }
    }
}
