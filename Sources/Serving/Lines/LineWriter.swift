import Foundation
import JSON

/// Writes JSON Lines to standard output or to a file.
///
/// A file appears under its name only when it is complete: until `commit` the lines go to a file beside it,
/// which is removed when the writer is dropped or the process is interrupted.
public final class LineWriter {
    private let path: String
    private let descriptor: Int32
    private let temporary: TemporaryFile?
    private var buffer: [UInt8] = []
    private var isCommitted = false

    /// Opens the output: "-" for standard output, a device or pipe by its path, or a file to be made.
    ///
    /// - Throws: `ServingError` naming the path.
    public init(path: String) throws(ServingError) {
        self.path = path
        guard path != "-" else {
            descriptor = STDOUT_FILENO
            temporary = nil
            return
        }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            guard status.st_mode & S_IFMT != S_IFDIR else {
                throw ServingError(.unwritable, "\(path) is a directory; a file to write was expected")
            }
            descriptor = open(path, O_WRONLY | O_CLOEXEC)
            temporary = nil
            guard descriptor >= 0 else { throw Self.failure("cannot open \(path)") }
        } else {
            let temporary = try TemporaryFile(beside: path)
            descriptor = temporary.descriptor
            self.temporary = temporary
        }
    }

    deinit {
        if descriptor != STDOUT_FILENO { close(descriptor) }
        if !isCommitted { temporary?.remove() }
    }

    /// Adds a line.
    public func write(_ value: JSONValue) throws(ServingError) {
        buffer.append(contentsOf: value.lineBytes)
        buffer.append(0x0A)
        if buffer.count >= 1 << 20 { try flush() }
    }

    /// Hands everything written so far to the operating system.
    public func flush() throws(ServingError) {
        var start = 0
        while start < buffer.count {
            let count = buffer.withUnsafeBytes { bytes in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
                return Glibc.write(descriptor, rest.baseAddress, rest.count)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw Self.failure("writing \(path == "-" ? "standard output" : path) failed")
            }
            start += count
        }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Flushes, and gives a file its name.
    public func commit() throws(ServingError) {
        try flush()
        guard let temporary else { return }
        guard fsync(descriptor) == 0, rename(temporary.path, path) == 0 else {
            throw Self.failure("cannot write \(path)")
        }
        isCommitted = true
        temporary.forget()
    }

    private static func failure(_ what: String) -> ServingError {
        ServingError(.unwritable, "\(what): \(String(cString: strerror(errno)))")
    }
}
