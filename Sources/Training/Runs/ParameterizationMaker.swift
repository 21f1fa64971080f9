import PromptStore
import Serving
import T5
import Tensors
import Tokenization

/// Makes jobs' prompts as they are before training.
struct ParameterizationMaker {
    private let core: T5Core
    private let tokenizer: any Tokenizer
    private let pool: WorkerPool
    private let store: PromptStore?
    private let vocabulary: VocabularySample

    /// - Throws: `TrainingError` when a job begins with another task's prompt and there is no store to take it from.
    init(
        _ description: RunDescription, core: T5Core, tokenizer: any Tokenizer, pool: WorkerPool
    ) throws(TrainingError) {
        self.core = core
        self.tokenizer = tokenizer
        self.pool = pool
        vocabulary = VocabularySample(of: tokenizer, vocabularySize: core.configuration.vocabularySize)
        let needsStore = description.jobs.contains { job in
            if case .task = job.settings.initialization { true } else { false }
        }
        guard needsStore else {
            store = nil
            return
        }
        guard let path = description.store else {
            throw TrainingError("init is a task, which needs the store that it is in (--store PATH)")
        }
        do { store = try PromptStore(path: path, mode: .readOnly) } catch {
            throw TrainingError(wrapping: error)
        }
    }

    /// The prompt of a job; `nil` for full tuning.
    ///
    /// - Throws: `TrainingError` when the settings do not fit the core, or the initial rows cannot be made.
    func make(
        _ settings: JobSettings, _ task: ServedTask
    ) throws(TrainingError) -> (any PromptParameterization)? {
        guard settings.method.method != .full else { return nil }
        let source = InitializationSource(
            width: core.configuration.modelWidth, vocabulary: vocabulary,
            labels: (task.labels?.ids ?? []).map { Array($0.dropLast()) },
            encode: { [tokenizer] in tokenizer.encodePieces($0) }, task: { try rows(of: $0) },
            embedding: { [core] in (try? core.embeddings(of: [$0])) ?? [] })
        do {
            // Ids that the core lacks are refused here, so that every one has an embedding below.
            _ = try core.embeddings(of: source.labels.flatMap { $0 })
            if case .text(let text) = settings.initialization {
                _ = try core.embeddings(of: tokenizer.encodePieces(text))
            }
        } catch {
            throw TrainingError("\(error.message); tokenizer and checkpoint do not belong together")
        }
        return try settings.method.makeParameterization(
            initialization: settings.initialization, source: source, seed: settings.seed, pool: pool)
    }

    /// A stored task's prompt.
    private func rows(of reference: String) throws -> (rows: [Float], width: Int) {
        guard let store else {
            throw TrainingError("there is no store to take the task \(reference) from")
        }
        guard case .task(let manifest) = try store.resolve(reference, core: core.fingerprint) else {
            throw TrainingError("\(reference) is an ensemble; one task was expected")
        }
        let prompt = try store.prompt(for: manifest)
        return (prompt.values, prompt.width)
    }
}
