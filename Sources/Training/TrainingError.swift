import Basics

/// Why something could not be trained, evaluated or published.
public struct TrainingError: UncodedError {
    /// What is wrong, where, and what to do.
    public let message: String
    /// The error behind it.
    public let cause: (any Error)?
    /// Whether nothing is wrong, but the run was asked to stop; what it had reached is saved.
    public private(set) var isInterruption = false

    /// An error of a sentence.
    public init(_ message: String, cause: (any Error)? = nil) {
        (self.message, self.cause) = (message, cause)
    }

    static func interruption(_ message: String) -> TrainingError {
        var error = TrainingError(message)
        error.isInterruption = true
        return error
    }
}
