import Basics

/// Why a request, or a whole run, cannot be served.
public struct ServingError: CodedError {
    /// What kind of failure it is; the raw value is the `code` of an error response.
    public enum Code: String, Sendable {
        /// The input, a task's folder or a prompt's file cannot be opened or read.
        case unreadable
        /// The output cannot be opened or written.
        case unwritable
        /// A line is not a JSON document.
        case invalidJSON = "invalid_json"
        /// A line is JSON, but not a request: a field is missing, unknown, or of the wrong type or range.
        case invalidRequest = "invalid_request"
        /// A line is longer than the limit.
        case lineTooLong = "line_too_long"
        /// There is no such task or version.
        case unknownTask = "unknown_task"
        /// The task was made for another core.
        case wrongCore = "wrong_core"
        /// The input has more ids than the task or core takes.
        case inputTooLong = "input_too_long"
        /// An id is not one of the core's.
        case idOutOfRange = "id_out_of_range"
        /// The core has no tokenizer, so that it takes ids only.
        case noTokenizer = "no_tokenizer"
        /// The core's numbers for the request are not finite.
        case notFinite = "not_finite"
        /// The task's stored prompt or definition cannot be used.
        case taskUnusable = "task_unusable"
    }

    /// What kind of failure it is.
    public let code: Code
    /// A sentence that names what is at fault, what was found, and what was expected.
    public let message: String
    /// The error behind it.
    public let cause: (any Error)?

    /// An error of a kind with its sentence.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }
}
