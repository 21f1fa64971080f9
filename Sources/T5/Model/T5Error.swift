import Basics

/// A core that cannot be loaded or input that it cannot take, and why.
public struct T5Error: CodedError {
    /// What kind of failure it is.
    public enum Code: Sendable {
        /// A file of the core is missing or cannot be read.
        case unreadable
        /// `config.json` is not usable.
        case configuration
        /// The checkpoint lacks a tensor, or one disagrees with the configuration.
        case weights
        /// The input does not fit the core: an id out of range, rows of the wrong width.
        case input
        /// The core's numbers for an input are not finite.
        case notFinite
        /// A core cannot be written where it shall be.
        case unwritable
    }

    /// What kind of failure it is.
    public let code: Code
    /// A sentence naming the file, key or tensor at fault, what was found, and what was expected.
    public let message: String
    /// The error behind it.
    public let cause: (any Error)?

    /// An error of a kind with its sentence.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }
}
