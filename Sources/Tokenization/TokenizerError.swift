import Basics

/// Why a core's tokenizer could not be had.
public struct TokenizerError: UncodedError {
    /// The file and field at fault, what was expected, and what to do.
    public let message: String
    /// The error behind it.
    public let cause: (any Error)?

    /// An error of a sentence.
    public init(_ message: String, cause: (any Error)? = nil) {
        (self.message, self.cause) = (message, cause)
    }
}
