import Basics
import Foundation

/// Standard input, output and error as every command treats them.
enum StandardStreams {
    /// Makes them safe to use; to be called before anything else is opened.
    ///
    /// A write that nobody reads is an error instead of a signal. In the place of a descriptor that was closed
    /// `/dev/null` is opened, the wrong way round, so that the file that is opened next does not become a standard
    /// stream, and using it fails as a closed one does.
    static func secure() {
        signal(SIGPIPE, SIG_IGN)
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
            // The lowest free descriptor is given, and those below are open.
            let access = descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY
            // Without a `/dev/null` a folder does, which can be neither read nor written.
            if open("/dev/null", access) < 0 { _ = open("/", O_RDONLY) }
        }
    }
}

/// Answers, on standard output: one that cannot be written is an error.
package enum StandardOutput {
    /// Its name in messages.
    private static let name = "standard output"

    /// Writes a text, and a line feed unless said otherwise.
    package static func print(_ text: String = "", terminator: String = "\n") throws(FileError) {
        try writeAll(Array((text + terminator).utf8), to: STDOUT_FILENO, path: name)
    }
}

/// Messages, on standard error: one that cannot be written is lost, and changes nothing.
package enum StandardError {
    /// Writes a text, and a line feed unless said otherwise.
    package static func print(_ text: String, terminator: String = "\n") {
        try? writeAll(Array((text + terminator).utf8), to: STDERR_FILENO, path: "standard error")
    }

    /// Takes a logger's lines.
    struct Stream: TextOutputStream, Sendable {
        func write(_ text: String) { StandardError.print(text, terminator: "") }
    }
}
