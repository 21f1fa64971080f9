import Foundation

/// Files read and written whole.
enum FileAccess {
    /// - Throws: `TrainingError` naming the file.
    static func read(_ path: String, limit: Int) throws(TrainingError) -> [UInt8] {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw TrainingError("cannot open \(path): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw TrainingError("\(path) is a folder; a file was expected")
        }
        guard status.st_size <= limit else {
            throw TrainingError("\(path) has \(status.st_size) bytes; at most \(limit) can be read")
        }
        let data: Data
        do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
            throw TrainingError("cannot read \(path): \(error.localizedDescription)")
        }
        return Array(data)
    }

    /// Writes a file so that it is there whole or not at all, also when the machine stops.
    ///
    /// - Throws: `TrainingError` naming the file.
    static func write(_ bytes: some Sequence<UInt8>, to path: String) throws(TrainingError) {
        let partial = "\(path).\(getpid()).partial"
        func failure() -> TrainingError {
            TrainingError("cannot write \(path): \(String(cString: strerror(errno)))")
        }
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw failure() }
        var isWritten = false
        defer {
            if !isWritten { unlink(partial) }
        }
        let bytes = Array(bytes)
        var start = 0
        while start < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
                return Glibc.write(descriptor, rest.baseAddress, rest.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                let error = failure()
                close(descriptor)
                throw error
            }
            start += count
        }
        let isSafe = fsync(descriptor) == 0
        guard close(descriptor) == 0, isSafe, rename(partial, path) == 0 else { throw failure() }
        isWritten = true
    }

    /// Writes text whole or not at all.
    static func write(_ text: String, to path: String) throws(TrainingError) {
        try write(text.utf8, to: path)
    }

    /// Makes a folder and those above it.
    static func makeFolder(_ path: String) throws(TrainingError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw TrainingError("cannot make the folder \(path): \(error.localizedDescription)")
        }
    }
}
