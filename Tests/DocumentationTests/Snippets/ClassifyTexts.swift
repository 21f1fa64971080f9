import PromptStore
import Serving
import T5
import Tensors

/// The label of each text.
func classify(_ texts: [String], task: String, core: String, store: String) throws -> [String?] {
    let pool = WorkerPool(threadCount: WorkerPool.availableProcessors)
    let model = try T5Core(core, pool: pool)
    let engine = InferenceEngine(
        core: model,
        tokenizer: try CoreTokenizer.load(core, vocabularySize: model.configuration.vocabularySize),
        store: try PromptStore(path: store, mode: .readOnly), pool: pool)
    let requests = texts.map { InferenceRequest(task: task, input: .text(.string($0))) }
    return try engine.answer(requests).map { try $0.result.get().label }
}
