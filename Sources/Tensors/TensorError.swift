/// A file of numbers that cannot be used, and why.
public struct TensorError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: Sendable {
        /// The file is missing or cannot be read.
        case unreadable
        /// The file's bytes are not of its format.
        case malformed
        /// The file is valid but holds something this program does not use (an element type, an order).
        case unsupported
        /// A tensor that was asked for is not there.
        case missing
        /// A tensor has another shape than it must have.
        case shape
    }

    /// What kind of failure it is.
    public let code: Code
    /// A sentence naming the file and tensor, what was found, and what was expected.
    public let message: String

    /// An error of a kind with its sentence.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The sentence.
    public var description: String { message }
}
