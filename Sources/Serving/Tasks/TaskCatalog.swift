import Basics
import PromptStore
import T5
import Tasks
import Tokenization

/// Finds the tasks that requests name, made ready for one core.
///
/// Every request is looked up in the store, so that what another process publishes is served at once; only the
/// prepared form of a version, which never changes, is kept.
final class TaskCatalog: Sendable {
    /// What a request's task stands for.
    struct Resolved: Sendable {
        /// The name in the answer; `nil` for the bare core.
        let name: String?
        /// One task, or an ensemble's members.
        let members: [(task: ServedTask, prompt: [Float])]
        /// How members' answers become one; `nil` for a single task.
        let combination: Combination?
        /// The task whose labels and limits hold for all members.
        let first: ServedTask
    }

    /// Prepared versions kept; when there are more, those used longest ago go.
    private static let capacity = 20_000

    private let store: PromptStore?
    private let candidates: [String: CandidateTask]
    private let core: T5Core
    private let tokenizer: (any Tokenizer)?
    private let served = LRUCache<TaskVersion, ServedTask>(capacity: capacity)

    init(
        store: PromptStore?, candidates: [String: CandidateTask] = [:], core: T5Core,
        tokenizer: (any Tokenizer)?
    ) {
        self.store = store
        self.candidates = candidates
        self.core = core
        self.tokenizer = tokenizer
    }

    /// The task of a reference, or the bare core for `nil`.
    ///
    /// - Throws: `ServingError` saying why it cannot be served.
    func resolve(_ reference: String?) throws(ServingError) -> Resolved {
        guard let reference else { return try bareCore() }
        if let candidate = candidates[reference] { return try candidate.resolved(as: reference) }
        guard let store else {
            throw ServingError(
                .unknownTask, "there is no task \"\(reference.prefix(200))\": no prompt store was given")
        }
        do {
            let resolution = try store.resolve(reference, core: core.fingerprint)
            var members: [(task: ServedTask, prompt: [Float])] = []
            for manifest in resolution.manifests {
                members.append((try served(manifest), try store.prompt(for: manifest).values))
            }
            guard let first = members.first?.task else {
                throw ServingError(.taskUnusable, "\"\(reference)\" has no members")
            }
            switch resolution {
            case .task:
                return Resolved(name: first.name, members: members, combination: nil, first: first)
            case .ensemble(let ensemble):
                try Self.checkMembers(of: ensemble.name, ensemble.combine, members.map(\.task))
                return Resolved(
                    name: ensemble.name, members: members, combination: ensemble.combine, first: first)
            }
        } catch let error as ServingError {
            throw error
        } catch let error as PromptStoreError {
            throw ServingError(error)
        } catch {
            throw ServingError(.taskUnusable, "\(error)")
        }
    }

    /// Refuses members whose answers cannot become one.
    static func checkMembers(
        of name: String, _ combination: Combination, _ members: [ServedTask]
    ) throws(ServingError) {
        for member in members where member.definition.verbalizer != members[0].definition.verbalizer {
            throw ServingError(
                .taskUnusable, "the members of the ensemble \"\(name)\" have different labels")
        }
        if combination == .mean, members[0].labels == nil {
            throw ServingError(
                .taskUnusable,
                "the ensemble \"\(name)\" combines by mean, which needs labels; combine by majority")
        }
    }

    private func bareCore() throws(ServingError) -> Resolved {
        do {
            let definition = try TaskDefinition(name: "core", template: Template("{input}"))
            let task = try ServedTask(manifest: nil, definition: definition, tokenizer: tokenizer)
            return Resolved(name: nil, members: [(task, [])], combination: nil, first: task)
        } catch let error as ServingError {
            throw error
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
