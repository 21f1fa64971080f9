/// Why a measurement cannot be made.
package struct BenchmarkError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it is.
    package enum Code: Sendable {
        /// A file cannot be read or started.
        case unreadable
        /// A file of requests is not what was expected.
        case invalidRequests
        /// A request was not answered, so that a rate would mean nothing.
        case unanswered
    }

    /// What kind of failure it is.
    package let code: Code
    /// A sentence that names what is at fault, what was found, and what was expected.
    package let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The sentence.
    package var description: String { message }
}
