import Basics
import T5
import Tokenization

/// The labels of a task or request as a core's ids.
package struct LabelSet: Sendable {
    package let names: [String]
    package let texts: [String]
    package let ids: [[Int32]]
    package let trie: LabelTrie

    /// Most ids of all labels together: with `ServedTask.maximumTextIDs` it bounds the decoder pass that scores them.
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
            let label = try ServedTask.encode(text, tokenizer, "the text of the label \(name.quoted)")
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
                    "the labels \(other.quoted) and \(name.quoted) are the same pieces to "
                        + "this core's tokenizer; give one of them another text")
            }
        }
        trie = LabelTrie(ids)
    }
}
