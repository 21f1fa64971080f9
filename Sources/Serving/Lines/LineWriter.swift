import Basics
import Foundation
import JSON

/// Writes JSON Lines to standard output or to a file.
///
/// A file appears under its name only when it is complete: until `commit` the lines go to a file beside it,
/// which is removed when the writer is dropped or the process ends. What stands there is respected as `OutputFile`
/// does: a link's target is written, mode and owner stay, a pipe or a device takes the lines as they come.
public final class LineWriter {
    private let path: String
    private let output: Output
    private var buffer: [UInt8] = []

    private enum Output {
        case standardOutput
        case file(OutputFile)
    }

    /// Opens the output: "-" for standard output, a device or pipe by its path, or a file to be made.
    ///
    /// - Throws: `ServingError` naming the path.
    public init(path: String) throws(ServingError) {
        self.path = path == "-" ? "standard output" : path
        guard path != "-" else {
            output = .standardOutput
            return
        }
        do { output = .file(try OutputFile(path: path)) } catch {
            throw ServingError(.unwritable, wrapping: error)
        }
    }

    /// Refuses an input, by its path or "-", that is the file into which the lines go as they come.
    ///
    /// - Throws: `ServingError` naming it.
    public func refuse(input: String) throws(ServingError) {
        var status = stat()
        guard (input == "-" ? fstat(STDIN_FILENO, &status) : stat(input, &status)) == 0 else { return }
        let isSame =
            switch output {
            case .standardOutput: status.isRegularFile(of: STDOUT_FILENO)
            case .file(let file): file.writesDirectly(into: status)
            }
        guard !isSame else {
            throw ServingError(
                .unwritable,
                "\(path) is the input too, and its lines would be lost or without end; name another file")
        }
    }

    /// Adds a line.
    public func write(_ value: JSONValue) throws(ServingError) {
        buffer.append(contentsOf: value.lineBytes)
        buffer.append(0x0A)
        if buffer.count >= 1 << 20 { try flush() }
    }

    /// Adds lines, each with its line feed.
    func write(lines: [UInt8]) throws(ServingError) {
        buffer.append(contentsOf: lines)
        try flush()
    }

    /// Hands everything written so far to the operating system.
    public func flush() throws(ServingError) {
        do {
            switch output {
            case .standardOutput: try writeAll(buffer, to: STDOUT_FILENO, path: path)
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
    }
}
