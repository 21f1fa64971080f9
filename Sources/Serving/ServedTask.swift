import JSON
import PromptStore
import T5
import Tasks
import Tokenization

/// A task made ready for one core: its labels and target prefix as ids.
public final class ServedTask: Sendable {
    /// The task's name, `nil` for the bare core.
    public let name: String?
    /// The task's version, `nil` for the bare core.
    public let version: Int?
    /// What the task is: template, labels, limits.
    public let definition: TaskDefinition
    /// The stored prompt, `nil` for the bare core.
    let manifest: PromptManifest?
    /// How the labels are scored; `nil` for free text.
    let labels: LabelSet?
    /// Ids of the definition's target prefix.
    let prefix: [Int32]

    /// Labels of a request or task, ready to be scored.
    struct LabelSet: Sendable {
        let names: [String]
        let texts: [String]
        let ids: [[Int32]]
        let trie: LabelTrie

        /// Tokenizes the labels' texts, each ended by the end-of-sequence id.
        init(names: [String], texts: [String], tokenizer: any Tokenizer) throws(ServingError) {
            self.names = names
            self.texts = texts
            ids = texts.map { tokenizer.encode($0) }
            var seen: [[Int32]: String] = [:]
            for (name, ids) in zip(names, ids) {
                if let other = seen.updateValue(name, forKey: ids) {
                    throw ServingError(
                        .taskUnusable,
                        "the labels \"\(other)\" and \"\(name)\" are the same pieces to this core's tokenizer; "
                            + "give one of them another text")
                }
            }
            trie = LabelTrie(ids)
        }
    }

    /// Makes a task ready.
    ///
    /// - Throws: `ServingError` when it needs a tokenizer and the core has none, or when its labels cannot be
    ///   told apart.
    init(
        manifest: PromptManifest?, definition: TaskDefinition, tokenizer: (any Tokenizer)?
    ) throws(ServingError) {
        self.manifest = manifest
        name = manifest?.name
        version = manifest?.version
        self.definition = definition
        if let verbalizer = definition.verbalizer {
            guard let tokenizer else { throw Self.noTokenizer("labels") }
            labels = try LabelSet(names: verbalizer.names, texts: verbalizer.texts, tokenizer: tokenizer)
        } else {
            labels = nil
        }
        if definition.targetPrefix.isEmpty {
            prefix = []
        } else {
            guard let tokenizer else { throw Self.noTokenizer("target_prefix") }
            prefix = tokenizer.encodePieces(definition.targetPrefix)
        }
    }

    static func noTokenizer(_ what: String) -> ServingError {
        ServingError(.noTokenizer, "this core has no tokenizer, which \(what) needs; give input_ids")
    }

    /// Prompt rows that the task adds to a request.
    var promptRows: Int { manifest?.rows ?? 0 }
}
