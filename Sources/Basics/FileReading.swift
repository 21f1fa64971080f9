import Glibc

/// The most bytes that are read of a file.
package enum FileLimit {
    /// Of settings and definitions, which people write: `task.json`, `config.json`.
    package static let settings = 16 << 20
    /// Of the list of a checkpoint's files, which programs write.
    package static let index = 100_000_000
    /// Of data, which are held in memory.
    package static let data = 2 << 30
}

/// The bytes of a file, or of what another program writes to a pipe.
///
/// - Throws: `FileError` for what cannot be opened or read, a directory, and more than `limit` bytes.
package func readFile(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(cannot: "open", path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(cannot: "open", path) }
    guard status.st_mode & S_IFMT != S_IFDIR else {
        throw FileError("\(path) is a directory; a file was expected")
    }
    return try readAll(descriptor, path, expected: Int(status.st_size), limit: limit)
}

/// The bytes of a regular file, so that nothing can hold the reader up.
///
/// - Throws: `FileError` for what cannot be opened or read, anything but a regular file, and more than `limit` bytes.
package func readRegularFile(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
    let (descriptor, size) = try openRegularFile(path)
    defer { close(descriptor) }
    return try readAll(descriptor, path, expected: size, limit: limit)
}

/// A descriptor of a regular file, which the caller closes, and the file's size.
///
/// - Parameters:
///   - path: The file.
///   - folder: Where a relative path begins; `nil` for the process's own folder.
///   - followsLinks: Whether the path may end with a link.
func openRegularFile(
    _ path: String, in folder: OpenFolder? = nil, followsLinks: Bool = true
) throws(FileError) -> (descriptor: Int32, size: Int) {
    let start = folder?.descriptor ?? AT_FDCWD
    let shown = folder.map { "\($0.path)/\(path)" } ?? path
    var status = stat()
    // Before it is opened, which some devices take for a request.
    guard fstatat(start, path, &status, followsLinks ? 0 : AT_SYMLINK_NOFOLLOW) == 0 else {
        throw FileError(cannot: "open", shown)
    }
    try requireRegular(status, shown)
    // Non-blocking, should it have become a named pipe meanwhile.
    let flags = O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK | (followsLinks ? 0 : O_NOFOLLOW)
    let descriptor = openat(start, path, flags)
    guard descriptor >= 0 else { throw FileError(cannot: "open", shown) }
    do throws(FileError) {
        guard fstat(descriptor, &status) == 0 else { throw FileError(cannot: "open", shown) }
        try requireRegular(status, shown)
        guard fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK) == 0 else {
            throw FileError(cannot: "open", shown)
        }
    } catch {
        close(descriptor)
        throw error
    }
    return (descriptor, Int(status.st_size))
}

private func requireRegular(_ status: stat, _ path: String) throws(FileError) {
    guard status.st_mode & S_IFMT == S_IFREG else {
        throw FileError("\(path) is \(FileError.kind(of: status)); a regular file was expected")
    }
}

/// - Parameter expected: The size of a regular file; 0 where it is not known.
private func readAll(
    _ descriptor: Int32, _ path: String, expected: Int, limit: Int
) throws(FileError) -> [UInt8] {
    guard expected <= limit else {
        throw FileError("\(path) has \(expected) bytes; at most \(limit) can be read")
    }
    // One more than is expected, so that the end is seen without another allocation.
    var bytes = [UInt8](repeating: 0, count: max(expected + 1, 1 << 16))
    var filled = 0
    while true {
        if filled == bytes.count { bytes += [UInt8](repeating: 0, count: bytes.count) }
        let count = bytes.withUnsafeMutableBytes {
            read(descriptor, $0.baseAddress?.advanced(by: filled), $0.count - filled)
        }
        if count < 0, errno == EINTR { continue }
        if count < 0, errno == EAGAIN, wait(for: POLLIN, descriptor) { continue }
        guard count >= 0 else { throw FileError(cannot: "read", path) }
        guard count > 0 else { break }
        filled += count
        guard filled <= limit else {
            throw FileError("\(path) has more than the \(limit) bytes that can be read")
        }
    }
    guard filled >= expected else {
        throw FileError("\(path) had \(expected) bytes and was cut short to \(filled) while it was read")
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
}
