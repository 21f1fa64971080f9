/// Why a task definition, a template, an input, a labelled row or an evaluation was refused.
public struct TaskError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of thing is at fault. The raw value is the `code` of an error response.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The code as it is written in responses.
        public let rawValue: String

        /// A code of this name.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// `task.json` or a definition made in code breaks a rule.
        public static let invalidTask = Code(rawValue: "invalid_task")
        /// A decoding option has the wrong type, is out of range, or contradicts another.
        public static let invalidDecoding = Code(rawValue: "invalid_decoding")
        /// The template cannot be parsed.
        public static let invalidTemplate = Code(rawValue: "invalid_template")
        /// The input does not fit the template.
        public static let invalidInput = Code(rawValue: "invalid_input")
        /// A label is asked for that the task does not have, or twice.
        public static let invalidLabels = Code(rawValue: "invalid_labels")
        /// A labelled row cannot be read.
        public static let invalidExample = Code(rawValue: "invalid_example")
        /// A `FROM=TO` label map cannot be read or does not fit the task.
        public static let invalidLabelMap = Code(rawValue: "invalid_label_map")
        /// A metric cannot be computed from these answers.
        public static let invalidMetric = Code(rawValue: "invalid_metric")

        /// The raw value.
        public var description: String { rawValue }
    }

    /// What kind of thing is at fault.
    public let code: Code
    /// The field at fault, what was found, and what was expected.
    public let message: String

    /// An error of this code.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The same error with the place it came from before its message: a file, or a file and a line.
    public func at(_ place: String) -> TaskError { TaskError(code, "\(place): \(message)") }

    /// "code: message"
    public var description: String { "\(code): \(message)" }
}
