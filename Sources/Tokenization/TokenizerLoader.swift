import Basics

/// Finds the tokenizer of a core.
public enum TokenizerLoader {
    /// The most that a model file may have; mT5's, the largest of T5's family, has 4 MiB.
    static let maximumModelBytes = 16 << 20
    /// The most that `tokenizer_config.json` may have.
    static let maximumConfigurationBytes = 16 << 20

    /// Loads the tokenizer of a core directory in Hugging Face layout: ByT5's where `tokenizer_config.json`
    /// names `ByT5Tokenizer`, else the SentencePiece model `spiece.model`. Weights and `config.json` are not
    /// looked at.
    ///
    /// - Throws: ``TokenizerError`` when the directory has neither, or a file is there and cannot be used.
    public static func load(directory: String) throws(TokenizerError) -> any Tokenizer {
        guard let tokenizer = try find(in: directory) else {
            throw TokenizerError(
                "\(directory) has no tokenizer, so this core works on ids only (give input_ids); text needs "
                    + "spiece.model, or a tokenizer_config.json whose tokenizer_class is ByT5Tokenizer "
                    + "(tokenizer.json is not read)")
        }
        return tokenizer
    }

    /// The same; `nil` when the directory has neither: such a core works on ids only.
    public static func find(in directory: String) throws(TokenizerError) -> (any Tokenizer)? {
        let configurationPath = directory + "/tokenizer_config.json"
        let modelPath = directory + "/spiece.model"
        var configuration = TokenizerConfiguration.absent(file: configurationPath)
        if let bytes = try bytes(configurationPath, limit: maximumConfigurationBytes) {
            configuration = try .parse(bytes, file: configurationPath)
        }
        if configuration.className == "ByT5Tokenizer" { return try ByT5Tokenizer(configuration) }
        guard let bytes = try bytes(modelPath, limit: maximumModelBytes) else { return nil }
        return try SentencePieceTokenizer(model: bytes, file: modelPath, configuration)
    }

    /// A file's bytes, `nil` when there is nothing at the path.
    private static func bytes(_ path: String, limit: Int) throws(TokenizerError) -> [UInt8]? {
        do { return try readRegularFile(path, limit: limit) } catch {
            guard !error.isMissing else { return nil }
            throw TokenizerError(wrapping: error)
        }
    }
}
