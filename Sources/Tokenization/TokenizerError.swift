/// Why a core's tokenizer could not be had.
public struct TokenizerError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kind of failure, for programs. More may be added.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The code's name, as it is printed.
        public let description: String

        /// A file is missing, unreadable, no regular file, or larger than such a file can be.
        public static let unreadableFile = Code(description: "unreadable_file")
        /// `spiece.model` is no SentencePiece model, or one that T5 cannot use.
        public static let invalidModel = Code(description: "invalid_model")
        /// `tokenizer_config.json` is not JSON, or a field has a value that makes no sense.
        public static let invalidConfiguration = Code(description: "invalid_configuration")
        /// The core has no tokenizer: it works on ids only.
        public static let noTokenizer = Code(description: "no_tokenizer")
    }

    /// The kind of failure.
    public let code: Code
    /// The file and field at fault, what was expected, and what to do; a sentence without a full stop.
    public let message: String

    /// The message.
    public var description: String { message }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}
