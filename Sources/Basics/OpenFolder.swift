import CFiles
import Glibc

/// An open folder. What is in it is reached through it, so that renaming the folders above changes nothing.
package final class OpenFolder: Sendable {
    /// How it was reached.
    package let path: String
    /// For functions whose names end in "at".
    let descriptor: Int32

    /// Opens a folder, for which it need not be readable.
    ///
    /// - Parameter folder: Where a relative path begins; `nil` for the process's own folder.
    package init(_ path: String, in folder: OpenFolder? = nil) throws(FileError) {
        descriptor = pp_open_folder(folder?.descriptor ?? AT_FDCWD, path)
        self.path = path.hasPrefix("/") ? path : folder.map { "\($0.path)/\(path)" } ?? path
        guard descriptor >= 0 else { throw FileError(cannot: "open", self.path) }
    }

    deinit { close(descriptor) }

    /// What is known of the folder itself.
    package func status() -> stat? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status : nil
    }

    /// Whether only this user and root can have put into it what is there.
    ///
    /// - Throws: `FileError` saying what speaks against it.
    package func requireTrusted() throws(FileError) {
        guard let status = status() else { throw FileError(cannot: "open", path) }
        try status.requireTrusted(path)
    }

    /// What is known of something in it; a link is not followed.
    ///
    /// - Returns: `nil`, and the system's number of the reason in `errno`, where nothing can be found out.
    func status(of name: String) -> stat? {
        var status = stat()
        return fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status : nil
    }

    /// The names in it; none where it cannot be read.
    func names() -> [String] {
        let readable = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard readable >= 0 else { return [] }
        guard let stream = fdopendir(readable) else {
            close(readable)
            return []
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a file, or a folder with all that is in it, as far as that can be done.
    func removeAll(_ name: String) {
        guard unlinkat(descriptor, name, 0) != 0, errno == EISDIR || errno == EPERM else { return }
        let inner = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if inner >= 0 {
            close(inner)
            if let folder = try? OpenFolder(name, in: self) { folder.names().forEach(folder.removeAll) }
        }
        unlinkat(descriptor, name, AT_REMOVEDIR)
    }

    /// Makes its entries durable. Best effort: some file systems cannot.
    func synchronize() {
        let readable = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard readable >= 0 else { return }
        fsync(readable)
        close(readable)
    }
}

extension stat {
    /// Whether only this user and root can have made a file or folder what it is.
    ///
    /// - Throws: `FileError` saying what speaks against it.
    package func requireTrusted(_ path: String) throws(FileError) {
        guard st_uid == 0 || st_uid == geteuid() else {
            throw FileError(
                "\(path) belongs to user \(st_uid), who is neither this one (\(geteuid())) nor root")
        }
        guard st_mode & 0o022 == 0 else {
            throw FileError("others may write to \(path) (chmod go-w forbids it)")
        }
    }
}
