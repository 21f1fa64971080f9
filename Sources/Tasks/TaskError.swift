import Basics

/// Why a task definition, a template, an input, a labelled row or an evaluation was refused.
public struct TaskError: UncodedError {
    /// The field at fault, what was found, and what was expected.
    public let message: String
    /// The error behind it.
    public let cause: (any Error)?

    /// An error of a sentence.
    public init(_ message: String, cause: (any Error)? = nil) {
        (self.message, self.cause) = (message, cause)
    }
}
