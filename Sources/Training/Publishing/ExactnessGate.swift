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
    let isInterrupted: () -> Bool

    /// Why a prompt is not published.
    struct Refusal: Error {
        /// What is wrong with it.
        let message: String
        /// Whether the file holds the values that were scored, and only answers otherwise.
        let isIntact: Bool
    }

    /// Reads a task folder again and has it served. A file with other values than those that were scored is removed.
    ///
    /// - Parameters:
    ///   - folder: The task folder.
    ///   - form: What was written there.
    ///   - name: The name to publish under; `nil` for the definition's.
    ///   - examples: The dev rows.
    ///   - expected: The answers that the score was computed from.
    /// - Returns: What is to be published, or why it is not.
    /// - Throws: `TrainingError` when it was asked to stop, or the machine has no place for the store.
    func check(
        folder: String, form: StoredForm, name: String?, examples: [LabelledExample], expected: [String]
    ) throws(TrainingError) -> Result<Publication, Refusal> {
        var publication: Publication
        do {
            let stored = try TaskFolder(path: folder, name: name)
            guard stored.prompt == form.prompt else {
                throw TrainingError("the stored prompt has other values than the prompt that was scored")
            }
            publication = try stored.publication(for: core, tokenizer: tokenizer)
        } catch {
            unlink(folder + "/prompt.safetensors")
            return .failure(
                Refusal(
                    message: "\(folder): \(error); it is not published, and its prompt is removed",
                    isIntact: false))
        }
        // A safetensors prompt cannot say int8: it has the same values in float32.
        if form.type == .int8 { publication.frame = form.frame }
        let served: [String]
        do { served = try answers(to: examples, of: publication) } catch {
            throw TrainingError(wrapping: error)
        }
        let differences = zip(served, expected).count { $0 != $1 } + abs(served.count - expected.count)
        guard differences == 0 else {
            return .failure(
                Refusal(
                    message:
                        "\(folder): the stored prompt answers \(differences) of \(expected.count) dev rows "
                        + "otherwise than the prompt that was scored; it is not published", isIntact: true))
        }
        return .success(publication)
    }

    /// Goes through a publication with a prompt of one row of zeros, as a rehearsal: what a store refuses of its name,
    /// definition and provenance is known before anything is trained.
    ///
    /// - Throws: `TrainingError`, saying what is refused.
    static func rehearse(_ publications: [Publication]) throws(TrainingError) {
        do {
            try withStore { store in _ = try store.publish(batch: publications) }
        } catch {
            throw TrainingError(wrapping: error)
        }
    }

    /// The answers of a store that holds the publication alone.
    private func answers(to examples: [LabelledExample], of publication: Publication) throws -> [String] {
        try Self.withStore { store in
            let published = try store.publish(publication)
            let engine = InferenceEngine(core: core, tokenizer: tokenizer, store: store, pool: pool)
            return try Evaluator.answers(
                of: engine, published.id.description, examples, isInterrupted: isInterrupted
            ).predictions
        }
    }

    /// Calls `body` with a store that is removed afterwards.
    private static func withStore<Result>(_ body: (PromptStore) throws -> Result) throws -> Result {
        let folder = try PartialFolder(temporary: "gate", files: PromptStore.files)
        defer { withExtendedLifetime(folder) {} }
        return try body(try PromptStore(path: folder.path, mode: .readWrite))
    }
}
