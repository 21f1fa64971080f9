import T5
import Tokenization

/// The tokenizer that belongs to a core.
public enum CoreTokenizer {
    /// Loads it.
    ///
    /// - Parameters:
    ///   - core: A core directory, or `random:SHAPE`.
    ///   - vocabularySize: The core's `vocab_size`.
    /// - Returns: `nil` for a directory without a tokenizer, which works on ids only.
    /// - Throws: `TokenizerError` when a file is there and cannot be used.
    public static func load(_ core: String, vocabularySize: Int) throws(TokenizerError) -> (any Tokenizer)? {
        switch CoreSource(core) {
        case .random: HashingTokenizer(vocabularySize: vocabularySize)
        case .directory(let path): try TokenizerLoader.find(in: path)
        }
    }
}
