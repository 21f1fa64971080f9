import Glibc

/// Writes a file as `OutputFile` does.
package func writeFile(_ bytes: [UInt8], to path: String) throws(FileError) {
    let file = try OutputFile(path: path)
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
        if count < 0, errno == EAGAIN, wait(for: POLLOUT, descriptor) { continue }
        guard count > 0 else { throw FileError(cannot: "write", path) }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
}

/// Waits until an open file can be read or written, for another program may have said of a pipe that is shared with it
/// that nobody is to wait.
///
/// - Returns: Whether it is worth another try.
func wait(for event: Int32, _ descriptor: Int32) -> Bool {
    var poll = pollfd(fd: descriptor, events: Int16(event), revents: 0)
    return Glibc.poll(&poll, 1, -1) > 0 || errno == EINTR
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
/// - Parameter permissions: Of those that are made, before the process's mask is taken off.
/// - Returns: The folders that were made, the outermost first.
@discardableResult
package func makeFolder(_ path: String, permissions: mode_t = 0o777) throws(FileError) -> [String] {
    let parents = path.indices.dropFirst().filter { path[$0] == "/" }.map { String(path[..<$0]) }
    var made: [String] = []
    var number: Int32 = 0
    for folder in parents + [path] {
        if mkdir(folder, permissions) == 0 { made.append(folder) } else { number = errno }
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
