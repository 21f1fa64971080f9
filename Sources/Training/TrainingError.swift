/// Why something could not be trained, evaluated or published.
public struct TrainingError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it is; more may be added.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String, Sendable {
            case settings, data, core, checkpoint, gate, file, interrupted
        }
        private let value: Value

        /// A setting is unknown, of the wrong type, out of range, or contradicts another.
        public static let settings = Code(value: .settings)
        /// A file of labelled rows or of text cannot be used.
        public static let data = Code(value: .data)
        /// The core, a prompt, or what a core computes cannot be used.
        public static let core = Code(value: .core)
        /// A checkpoint cannot be used.
        public static let checkpoint = Code(value: .checkpoint)
        /// The stored prompt does not answer as the one whose score it carries.
        public static let gate = Code(value: .gate)
        /// A file cannot be read or written.
        public static let file = Code(value: .file)
        /// The run was asked to stop; what it had reached is saved.
        public static let interrupted = Code(value: .interrupted)

        /// The code's name.
        public var description: String { value.rawValue }
    }

    /// What kind of failure it is.
    public let code: Code
    /// What is wrong, where, and what to do.
    public let message: String

    /// An error of a kind with its sentence.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The sentence.
    public var description: String { message }
}
