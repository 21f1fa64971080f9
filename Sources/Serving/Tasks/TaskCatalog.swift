import Basics
import PromptStore
import T5
import Tasks
import Tokenization

/// Finds the tasks that requests name, as one core serves them.
///
/// Every request is looked up in the store, so that what another process publishes is served at once; only the
/// what a core makes of a version, which never changes, is kept.
final class TaskCatalog: Sendable {
    /// Tasks kept; when there are more, those used longest ago go.
    private static let capacity = 20_000

    private let store: PromptStore?
    /// Tasks that are in no store, by the names that requests call them.
    private let candidates: [String: ResolvedTask]
    private let bareCore: Result<ResolvedTask, ServingError>
    private let core: T5Core
    private let tokenizer: (any Tokenizer)?
    private let served = LRUCache<TaskVersion, ServedTask>(capacity: capacity)

    init(
        store: PromptStore?, candidates: [String: ResolvedTask] = [:], core: T5Core,
        tokenizer: (any Tokenizer)?
    ) {
        self.store = store
        self.candidates = candidates
        self.core = core
        self.tokenizer = tokenizer
        bareCore = Result { () throws(ServingError) in
            let definition: TaskDefinition
            do throws(TaskError) {
                definition = try TaskDefinition(name: "core", template: Template("{input}"))
            } catch {
                throw ServingError(.taskUnusable, error.message)
            }
            let task = try ServedTask(manifest: nil, definition: definition, tokenizer: tokenizer)
            return ResolvedTask(nil, task, prompt: [])
        }
    }

    /// The task of a reference, or the bare core for `nil`.
    ///
    /// - Throws: `ServingError` saying why it cannot be served.
    func resolve(_ reference: String?) throws(ServingError) -> ResolvedTask {
        guard let reference else { return try bareCore.get() }
        if let candidate = candidates[reference] { return candidate }
        guard let store else {
            throw ServingError(
                .unknownTask, "there is no task \(reference.quoted): no prompt store was given")
        }
        do {
            func member(_ manifest: PromptManifest) throws -> (task: ServedTask, prompt: [Float]) {
                (try served(manifest), try store.prompt(for: manifest).values)
            }
            switch try store.resolve(reference, core: core.fingerprint) {
            case .task(let manifest):
                let (task, prompt) = try member(manifest)
                return ResolvedTask(manifest.name, task, prompt: prompt)
            case .ensemble(let ensemble):
                return try ResolvedTask(
                    ensemble.name, ensemble.members.map(member), combination: ensemble.combine)
            }
        } catch let error as ServingError {
            throw error
        } catch let error as PromptStoreError {
            throw ServingError(error)
        } catch {
            throw ServingError(.taskUnusable, "\(error)")
        }
    }

    private func served(_ manifest: PromptManifest) throws(ServingError) -> ServedTask {
        if let known = served.value(for: manifest.id) { return known }
        guard manifest.width == core.configuration.modelWidth else {
            throw ServingError(
                .wrongCore,
                "the prompt of \(manifest.id) is \(manifest.width) wide, the core is "
                    + "\(core.configuration.modelWidth)")
        }
        let definition: TaskDefinition
        do { definition = try TaskDefinition(json: manifest.definition) } catch {
            throw ServingError(
                .taskUnusable, "the definition of \(manifest.id) cannot be used: \(error.message)")
        }
        let task = try ServedTask(manifest: manifest, definition: definition, tokenizer: tokenizer)
        served.insert(task, for: manifest.id, cost: 1)
        return task
    }
}

extension ServingError {
    /// A store's refusal as an answer to a request.
    init(_ error: PromptStoreError) {
        let code: Code =
            switch error.code {
            case .notFound, .invalidReference, .invalidName: .unknownTask
            case .coreMismatch: .wrongCore
            default: .taskUnusable
            }
        self.init(code, error.message)
    }
}
