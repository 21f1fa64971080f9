import Foundation

/// A file or folder that cannot be read or written, and why.
public struct FileError: DescribedError {
    /// Names the path, what failed, and the system's reason.
    public let message: String
    /// The system's number of the reason; `nil` when the path is not what was expected.
    public let number: Int32?

    /// Nothing: the system's reason is in the message.
    public var cause: (any Error)? { nil }

    package init(_ message: String) {
        self.message = message
        number = nil
    }

    /// What the system refused last: "cannot open PATH: No such file or directory".
    package init(cannot action: String, _ path: String, number: Int32 = errno) {
        message = "cannot \(action) \(path): \(String(cString: strerror(number)))"
        self.number = number
    }

    /// What stands at a path, in words.
    static func kind(of status: stat) -> String {
        switch status.st_mode & S_IFMT {
        case S_IFREG: "a regular file"
        case S_IFDIR: "a directory"
        case S_IFIFO: "a named pipe"
        case S_IFSOCK: "a socket"
        case S_IFLNK: "a symbolic link"
        default: "a device"
        }
    }

    /// Whether there is nothing at the path.
    public var isMissing: Bool { number == ENOENT }
}
