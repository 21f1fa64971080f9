import Glibc
import Synchronization

/// A file that is there whole or not at all, also when the machine stops.
///
/// Until `commit` its bytes are in a file beside it, which is then synchronized with the disk and renamed; a link at the
/// path is replaced, not followed. The file beside it goes when the object is dropped without `commit`.
package final class AtomicFile {
    /// Where the file is to appear.
    package let path: String
    /// Where its bytes are until then.
    package let temporaryPath: String
    /// Takes the bytes.
    private let descriptor: Int32
    private var isCommitted = false

    /// Counts this process's files, so that two for the same path do not meet.
    private static let count = Atomic<Int>(0)

    /// Begins a file.
    ///
    /// - Parameter permissions: Before the process's mask is taken off.
    package init(path: String, permissions: mode_t = 0o666) throws(FileError) {
        self.path = path
        let number = Self.count.wrappingAdd(1, ordering: .relaxed).oldValue
        temporaryPath = "\(path).\(getpid()).\(number).partial"
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, permissions)
        guard descriptor >= 0 else { throw FileError(cannot: "write", path) }
    }

    deinit {
        close(descriptor)
        if !isCommitted { unlink(temporaryPath) }
    }

    /// Appends bytes.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        try writeAll(bytes, to: descriptor, path: path)
    }

    /// Appends bytes.
    package func write(_ bytes: [UInt8]) throws(FileError) {
        try writeAll(bytes, to: descriptor, path: path)
    }

    /// Gives the file its name.
    package func commit() throws(FileError) {
        guard fsync(descriptor) == 0, rename(temporaryPath, path) == 0 else {
            throw FileError(cannot: "write", path)
        }
        isCommitted = true
    }
}

/// Writes a file that is there whole or not at all.
package func writeFile(_ bytes: [UInt8], to path: String) throws(FileError) {
    let file = try AtomicFile(path: path)
    try file.write(bytes)
    try file.commit()
}

/// Writes all bytes to an open file, pipe or device, however few it takes at a time.
///
/// - Parameter path: Its name, for the error's message.
package func writeAll(
    _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String
) throws(FileError) {
    var rest = bytes
    while !rest.isEmpty {
        let count = write(descriptor, rest.baseAddress, min(rest.count, 1 << 30))
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { throw FileError(cannot: "write", path) }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
}

/// Writes all bytes to an open file, pipe or device, however few it takes at a time.
package func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(FileError) {
    let result = bytes.withUnsafeBytes { bytes in
        Result { () throws(FileError) in try writeAll(bytes, to: descriptor, path: path) }
    }
    try result.get()
}

/// Makes a folder and those above it where they are missing.
///
/// - Returns: The folders that were made, the outermost first.
@discardableResult
package func makeFolder(_ path: String) throws(FileError) -> [String] {
    let parents = path.indices.dropFirst().filter { path[$0] == "/" }.map { String(path[..<$0]) }
    var made: [String] = []
    var number: Int32 = 0
    for folder in parents + [path] {
        if mkdir(folder, 0o777) == 0 { made.append(folder) } else { number = errno }
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
        throw FileError(cannot: "make the folder", path, number: number == EEXIST ? ENOTDIR : number)
    }
    return made
}

/// Makes a folder's entries durable. Best effort: some file systems cannot.
package func synchronizeFolder(_ path: String) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
}
