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
    /// How the labels are scored; `nil` for free text.
    package let labels: LabelSet?
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
        guard !isTruncated else {
            throw ServingError(
                .taskUnusable,
                "\(what) has more than \(maximumTextIDs) ids to this core's tokenizer; shorten it")
        }
        return ids
    }

    /// Labels of a request or task, ready to be scored.
    package struct LabelSet: Sendable {
        package let names: [String]
        package let texts: [String]
        package let ids: [[Int32]]
        package let trie: LabelTrie

        /// Most ids of all labels together: with `maximumTextIDs` it bounds the decoder pass that scores them.
        static let maximumIDs = 131_072

        /// Tokenizes the labels' texts, each ended by the end-of-sequence id.
        ///
        /// - Throws: `ServingError` when two labels have the same ids, or they have too many.
        init(names: [String], texts: [String], tokenizer: any Tokenizer) throws(ServingError) {
            self.names = names
            self.texts = texts
            var ids: [[Int32]] = []
            var total = 0
            for (name, text) in zip(names, texts) {
                let label = try ServedTask.encode(
                    text, tokenizer, "the text of the label \"\(name.prefix(80))\"")
                total += label.count
                guard total <= Self.maximumIDs else {
                    throw ServingError(
                        .taskUnusable,
                        "the labels' texts have more than \(Self.maximumIDs) ids altogether; shorten them")
                }
                ids.append(label)
            }
            self.ids = ids
            var seen: [[Int32]: String] = [:]
            for (name, ids) in zip(names, ids) {
                if let other = seen.updateValue(name, forKey: ids) {
                    throw ServingError(
                        .taskUnusable,
                        "the labels \"\(other.prefix(80))\" and \"\(name.prefix(80))\" are the same pieces to "
                            + "this core's tokenizer; give one of them another text")
                }
            }
            trie = LabelTrie(ids)
        }
    }

    /// Makes a task ready.
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
    }

    static func noTokenizer(_ what: String) -> ServingError {
        ServingError(.noTokenizer, "this core has no tokenizer, which \(what) needs; give input_ids")
    }
}
