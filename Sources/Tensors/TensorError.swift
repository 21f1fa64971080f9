import Basics

/// A file of numbers that cannot be used, and why.
public struct TensorError: UncodedError {
    /// A sentence naming the file and tensor, what was found, and what was expected.
    public let message: String
    /// The error behind it.
    public let cause: (any Error)?

    /// An error of a sentence.
    public init(_ message: String, cause: (any Error)? = nil) {
        (self.message, self.cause) = (message, cause)
    }

    /// Maps a file.
    static func mapping(_ path: String) throws(TensorError) -> MappedFile {
        do { return try MappedFile(path: path) } catch { throw TensorError(wrapping: error) }
    }
}
