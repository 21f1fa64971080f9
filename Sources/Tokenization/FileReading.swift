import Glibc

/// The bytes of a regular file, `nil` when there is nothing at the path.
///
/// - Throws: ``TokenizerError`` for anything but a regular file of at most `limit` bytes.
func readFile(_ path: String, limit: Int) throws(TokenizerError) -> [UInt8]? {
    // Non-blocking, so that a named pipe cannot hold the process up.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
        let reason = errno
        if reason == ENOENT { return nil }
        throw TokenizerError("\(path) cannot be opened: \(String(cString: strerror(reason)))")
    }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
        throw TokenizerError("\(path) is not a regular file")
    }
    guard information.st_size <= limit else {
        throw TokenizerError("\(path) has \(information.st_size) bytes, at most \(limit) were expected")
    }
    var bytes = [UInt8](repeating: 0, count: Int(information.st_size))
    var filled = 0
    while filled < bytes.count {
        let got = bytes.withUnsafeMutableBytes {
            read(descriptor, $0.baseAddress?.advanced(by: filled), $0.count - filled)
        }
        if got < 0, errno == EINTR { continue }
        guard got >= 0 else {
            throw TokenizerError("\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        if got == 0 { break }
        filled += got
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
}
