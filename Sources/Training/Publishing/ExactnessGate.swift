import Basics
import Foundation
import PromptStore
import Serving
import T5
import Tasks
import Tensors
import Tokenization

/// Refuses a stored prompt that does not answer as the one whose score it carries.
///
/// What was written is read again, published in a store of its own and asked through the serving engine as requests
/// ask it, texts and all.
struct ExactnessGate {
    let core: T5Core
    let tokenizer: any Tokenizer
    let pool: WorkerPool

    /// Reads a task folder again and has it served. A prompt that is refused is removed.
    ///
    /// - Parameters:
    ///   - folder: The task folder.
    ///   - form: What was written there.
    ///   - name: The name to publish under; `nil` for the definition's.
    ///   - examples: The dev rows.
    ///   - expected: The answers that the score was computed from.
    /// - Returns: What is to be published.
    /// - Throws: `TrainingError` when the folder's prompt is another one or answers otherwise.
    func check(
        folder: String, form: StoredForm, name: String?, examples: [LabelledExample], expected: [String]
    ) throws(TrainingError) -> Publication {
        do {
            let stored = try TaskFolder(path: folder, name: name)
            var publication = try stored.publication(for: core, tokenizer: tokenizer)
            // A safetensors prompt cannot say int8: it has the same values in float32.
            if form.type == .int8, stored.prompt == form.prompt { publication.frame = form.frame }
            let served = try answers(to: examples, of: publication)
            let differences = zip(served, expected).count { $0 != $1 } + abs(served.count - expected.count)
            guard differences == 0 else {
                throw TrainingError(
                    "the stored prompt answers \(differences) of \(expected.count) dev rows otherwise than the "
                        + "prompt that was scored")
            }
            guard stored.prompt == form.prompt else {
                throw TrainingError("the stored prompt has other values than the prompt that was scored")
            }
            return publication
        } catch {
            unlink(folder + "/prompt.safetensors")
            throw TrainingError(
                "\(folder): \(error); it is not published, and its prompt is removed. Train it again")
        }
    }

    /// The answers of a store that holds the publication alone.
    private func answers(to examples: [LabelledExample], of publication: Publication) throws -> [String] {
        let folder = try PartialFolder(temporary: "gate", files: PromptStore.files)
        defer { withExtendedLifetime(folder) {} }
        let store = try PromptStore(path: folder.path, mode: .readWrite)
        let published = try store.publish(publication)
        let engine = InferenceEngine(core: core, tokenizer: tokenizer, store: store, pool: pool)
        return try Evaluator.answers(of: engine, published.id.description, examples).predictions
    }
}
