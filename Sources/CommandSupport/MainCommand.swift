import ArgumentParser
import Basics
import Foundation

/// A command line's first word.
package protocol MainCommand: ParsableCommand {}

extension MainCommand {
    /// Runs what the command line asks for, and ends the process.
    ///
    /// As `ParsableCommand` does it, but for the standard streams: help that cannot be written is a failure, a message
    /// that cannot be written is not.
    package static func main() {
        ProcessSetup.prepare()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            Foundation.exit(end(with: error))
        }
    }

    /// Says what an error has to say.
    ///
    /// - Returns: The exit status.
    private static func end(with error: any Error) -> Int32 {
        // Whoever reads no further, such as `head`, has no need of a message.
        guard !error.isReaderGone else { return ExitCode.failure.rawValue }
        let status = exitCode(for: error)
        let text = fullMessage(for: error)
        guard status.isSuccess else {
            if !text.isEmpty { StandardError.print(text) }
            return status.rawValue
        }
        do {
            try StandardOutput.print(text)
            return status.rawValue
        } catch {
            return end(with: error)
        }
    }
}

extension Error {
    /// Whether the reader of a pipe has gone, or that is the cause.
    fileprivate var isReaderGone: Bool {
        if let file = self as? FileError { return file.number == EPIPE }
        return (self as? any DescribedError)?.cause?.isReaderGone ?? false
    }
}
