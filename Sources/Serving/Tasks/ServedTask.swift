import JSON
import PromptStore
import T5
import Tasks
import Tokenization

/// A task as one core serves it: its labels and target prefix as ids, and how the labels are scored.
public final class ServedTask: Sendable {
    /// The task's name, `nil` for the bare core.
    public let name: String?
    /// The task's version, `nil` for the bare core.
    public let version: Int?
    /// What the task is: template, labels, limits.
    public let definition: TaskDefinition
    /// The labels; `nil` for free text.
    package let labels: LabelSet?
    /// How they are scored.
    let labelPlan: LabelPlan?
    /// Ids of the definition's target prefix.
    package let prefix: [Int32]

    /// Most ids of a label's text or a target prefix.
    static let maximumTextIDs = 1024

    /// The ids of a text that the decoder is to read or to give, ended by the end-of-sequence id.
    ///
    /// - Parameter what: The text's name in messages.
    /// - Throws: `ServingError` when the text is too long; it is never cut.
    package static func encode(
        _ text: String, _ tokenizer: any Tokenizer, _ what: String
    ) throws(ServingError) -> [Int32] {
        let (ids, isTruncated) = tokenizer.encode(text, limit: maximumTextIDs)
        try checkEncoded(ids, what)
        guard !isTruncated else {
            throw ServingError(
                .taskUnusable,
                "\(what) has more than \(maximumTextIDs) ids to this core's tokenizer; shorten it")
        }
        return ids
    }

    /// Refuses the ids of a text that there was no memory to encode.
    static func checkEncoded(_ ids: [Int32], _ what: String) throws(ServingError) {
        guard ids.contains(unencodedID) else { return }
        throw ServingError(
            .inputTooLong, "\(what) cannot be encoded: there is no memory for it, or the tokenizer is damaged"
        )
    }

    /// A task with a core's tokenizer.
    ///
    /// - Throws: `ServingError` when it needs a tokenizer and the core has none, or when its labels cannot be
    ///   told apart or have too many ids.
    package init(
        manifest: PromptManifest?, definition: TaskDefinition, tokenizer: (any Tokenizer)?
    ) throws(ServingError) {
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
            prefix = try Self.encode(definition.targetPrefix, tokenizer, "target_prefix").dropLast()
        }
        labelPlan = labels.map { [prefix] in
            LabelPlan($0.trie, over: definition.normalize, prefix: prefix)
        }
    }

    /// How this task scores labels that a request gives.
    func plan(for labels: LabelSet) -> LabelPlan {
        LabelPlan(labels.trie, over: definition.normalize, prefix: prefix)
    }

    static func noTokenizer(_ what: String) -> ServingError {
        ServingError(.noTokenizer, "this core has no tokenizer, which \(what) needs; give input_ids")
    }
}
