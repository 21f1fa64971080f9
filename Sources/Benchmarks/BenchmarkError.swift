import Basics

/// Why a measurement cannot be made.
package struct BenchmarkError: UncodedError {
    package let message: String
    package let cause: (any Error)?

    package init(_ message: String, cause: (any Error)? = nil) {
        (self.message, self.cause) = (message, cause)
    }
}
