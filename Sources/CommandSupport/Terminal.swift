import Basics
import Foundation

/// One line of progress that rewrites itself on a terminal, and is silent elsewhere.
package struct ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var last: ContinuousClock.Instant?

    package init() {}

    /// Replaces the line, at most five times a second.
    package mutating func show(_ text: @autoclosure () -> String) {
        let now = ContinuousClock.now
        guard isTerminal, last.map({ now - $0 > .milliseconds(200) }) ?? true else { return }
        last = now
        StandardError.print("\r\u{1B}[K" + text(), terminator: "")
    }

    /// Removes the line.
    package mutating func clear() {
        if last != nil { StandardError.print("\r\u{1B}[K", terminator: "") }
        last = nil
    }
}

extension Double {
    /// The number with a fixed count of decimals.
    package func formatted(digits: Int) -> String { String(format: "%.\(digits)f", self) }
}

/// A command's failure: its message goes to standard error, and the exit status is 1.
package struct CommandError: UncodedError {
    package let message: String
    package let cause: (any Error)?

    package init(_ message: String, cause: (any Error)? = nil) {
        (self.message, self.cause) = (message, cause)
    }
}
