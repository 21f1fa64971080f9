import Glibc

/// The most bytes that are read whole unless a reader says less.
package let largestReadFile = 2 << 30

/// The bytes of a file, or of what another program writes to a pipe.
///
/// - Throws: `FileError` for what cannot be opened or read, a folder, and more than `limit` bytes.
package func readFile(_ path: String, limit: Int = largestReadFile) throws(FileError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(cannot: "open", path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(cannot: "open", path) }
    guard status.st_mode & S_IFMT != S_IFDIR else {
        throw FileError("\(path) is a folder; a file was expected")
    }
    return try readAll(descriptor, path, expected: Int(status.st_size), limit: limit)
}

/// The bytes of a regular file, so that nothing can hold the reader up.
///
/// - Throws: `FileError` for what cannot be opened or read, anything but a regular file, and more than `limit` bytes.
package func readRegularFile(_ path: String, limit: Int = largestReadFile) throws(FileError) -> [UInt8] {
    let (descriptor, size) = try openRegularFile(path)
    defer { close(descriptor) }
    return try readAll(descriptor, path, expected: size, limit: limit)
}

/// A descriptor of a regular file, which the caller closes, and the file's size.
func openRegularFile(_ path: String) throws(FileError) -> (descriptor: Int32, size: Int) {
    // Non-blocking, so that a named pipe cannot hold the process up.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError(cannot: "open", path) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        close(descriptor)
        throw FileError("\(path) is not a regular file")
    }
    return (descriptor, Int(status.st_size))
}

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
        guard count >= 0 else { throw FileError(cannot: "read", path) }
        guard count > 0 else { break }
        filled += count
        guard filled <= limit else {
            throw FileError("\(path) has more than the \(limit) bytes that can be read")
        }
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
}
