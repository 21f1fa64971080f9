/// A setting, initialization or saved state of a training method or optimizer that cannot be used, and why.
public struct MethodError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure it is.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The code as it is written in messages.
        public let rawValue: String

        /// A code of this name.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// A setting is unknown, of the wrong type, out of range, or contradicts another.
        public static let invalidSettings = Code(rawValue: "invalid_settings")
        /// Initial rows cannot be made.
        public static let invalidInitialization = Code(rawValue: "invalid_initialization")
        /// A saved state does not fit what it is to be restored into.
        public static let invalidState = Code(rawValue: "invalid_state")

        /// The raw value.
        public var description: String { rawValue }
    }

    /// What kind of failure it is.
    public let code: Code
    /// A sentence naming the key, file or parameter at fault, what was found, and what was expected.
    public let message: String

    /// An error of this code.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The sentence.
    public var description: String { message }
}
