import Basics
import Foundation
import JSON

/// Writes JSON Lines to standard output or to a file.
///
/// A file appears under its name only when it is complete: until `commit` the lines go to a file beside it,
/// which is removed when the writer is dropped or the process is interrupted.
public final class LineWriter {
    private let path: String
    private let output: Output
    private var buffer: [UInt8] = []

    private enum Output {
        case descriptor(Int32)
        case file(AtomicFile)
    }

    /// Opens the output: "-" for standard output, a device or pipe by its path, or a file to be made.
    ///
    /// - Throws: `ServingError` naming the path.
    public init(path: String) throws(ServingError) {
        self.path = path == "-" ? "standard output" : path
        guard path != "-" else {
            output = .descriptor(STDOUT_FILENO)
            return
        }
        do throws(FileError) {
            var status = stat()
            if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
                guard status.st_mode & S_IFMT != S_IFDIR else {
                    throw FileError("\(path) is a directory; a file to write was expected")
                }
                let descriptor = open(path, O_WRONLY | O_CLOEXEC)
                guard descriptor >= 0 else { throw FileError(cannot: "open", path) }
                output = .descriptor(descriptor)
            } else {
                let file = try AtomicFile(path: path)
                InterruptedOutput.remember(file.temporaryPath)
                output = .file(file)
            }
        } catch {
            throw ServingError(.unwritable, wrapping: error)
        }
    }

    deinit {
        switch output {
        case .descriptor(let descriptor): if descriptor != STDOUT_FILENO { close(descriptor) }
        case .file: InterruptedOutput.forget()
        }
    }

    /// Adds a line.
    public func write(_ value: JSONValue) throws(ServingError) {
        buffer.append(contentsOf: value.lineBytes)
        buffer.append(0x0A)
        if buffer.count >= 1 << 20 { try flush() }
    }

    /// Hands everything written so far to the operating system.
    public func flush() throws(ServingError) {
        do {
            switch output {
            case .descriptor(let descriptor): try writeAll(buffer, to: descriptor, path: path)
            case .file(let file): try file.write(buffer)
            }
        } catch {
            throw ServingError(.unwritable, wrapping: error)
        }
        buffer.removeAll(keepingCapacity: true)
    }

    /// Flushes, and gives a file its name.
    public func commit() throws(ServingError) {
        try flush()
        guard case .file(let file) = output else { return }
        do { try file.commit() } catch { throw ServingError(.unwritable, wrapping: error) }
        InterruptedOutput.forget()
    }
}
