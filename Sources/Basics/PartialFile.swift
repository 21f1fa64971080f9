import CFiles
import Glibc

/// A file in the making, beside the one that it is to become. It goes when the object is dropped before it has its name,
/// when the process exits or is asked to end, and, where that was not possible, with the next process that writes there.
package final class PartialFile {
    /// The file's path, for messages.
    private let path: String
    private let folder: OpenFolder
    /// What it is called until it has its name.
    private let name: String
    /// Takes and gives its bytes.
    let descriptor: Int32
    private let note: Int32
    private var isFinished = false

    /// Makes an empty file that nothing else has the name of.
    ///
    /// - Parameters:
    ///   - path: The path that messages name.
    ///   - name: What it is to become.
    ///   - folder: Where.
    ///   - permissions: Before the process's mask is taken off.
    package init(
        _ path: String, for name: String, in folder: OpenFolder, permissions: mode_t
    ) throws(FileError) {
        PartialName.sweep(folder)
        pp_unfinished_watch()
        self.path = path
        self.folder = folder
        for _ in 0..<100 {
            let name = PartialName.make(for: name)
            let note = pp_unfinished_note(folder.descriptor, name, false)
            let descriptor = openat(
                folder.descriptor, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, permissions)
            if descriptor >= 0, PartialName.lock(descriptor, name, in: folder) {
                (self.name, self.descriptor, self.note) = (name, descriptor, note)
                return
            }
            let number = errno
            pp_unfinished_forget(note)
            if descriptor >= 0 {
                close(descriptor)
            } else if number != EEXIST {
                throw FileError(cannot: "write", path, number: number)
            }
        }
        throw FileError(cannot: "write", path, number: EEXIST)
    }

    deinit {
        if !isFinished { unlinkat(folder.descriptor, name, 0) }
        pp_unfinished_forget(note)
        close(descriptor)
    }

    /// Removes everything that is unfinished, in a signal handler that then ends the process.
    package static func removeAll() { pp_unfinished_remove() }

    /// Appends bytes.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        try writeAll(bytes, to: descriptor, path: path)
    }

    /// Appends bytes.
    package func write(_ bytes: [UInt8]) throws(FileError) {
        try writeAll(bytes, to: descriptor, path: path)
    }

    /// Gives the file these permissions, whatever the process's mask is.
    package func setPermissions(_ permissions: mode_t) throws(FileError) {
        guard fchmod(descriptor, permissions) == 0 else { throw FileError(cannot: "write", path) }
    }

    /// Hands everything to the disk.
    func synchronize() throws(FileError) {
        guard fsync(descriptor) == 0 else { throw FileError(cannot: "write", path) }
    }

    /// Gives the file owner, group, extended attributes and mode of another.
    ///
    /// - Returns: Whether it has all of them, and the other has one name only, so that it can take the other's place.
    func takeAttributes(of other: Int32) -> Bool {
        var (status, own) = (stat(), stat())
        guard fstat(other, &status) == 0, fstat(descriptor, &own) == 0 else { return false }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else { return false }
        if (status.st_uid, status.st_gid) != (own.st_uid, own.st_gid) {
            guard fchown(descriptor, status.st_uid, status.st_gid) == 0 else { return false }
        }
        // Not the bits by which it would run as its owner: writing takes them away too.
        return pp_copy_attributes(other, descriptor) == 0 && fchmod(descriptor, status.st_mode & 0o1777) == 0
    }

    /// Writes the bytes over those of another file. Where there is no space for them it stays as it is.
    func copy(into other: Int32) throws(FileError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, pp_reserve(other, Int64(status.st_size)) == 0 else {
            throw FileError(cannot: "write", path)
        }
        // From here on these bytes may be all that there is.
        pp_unfinished_forget(note)
        var block = [UInt8](repeating: 0, count: min(1 << 20, max(1, Int(status.st_size))))
        var offset = 0
        while offset < Int(status.st_size) {
            let count = pread(descriptor, &block, block.count, offset)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw FileError(cannot: "write", path, number: count < 0 ? errno : EIO) }
            try writeAll(Array(block[..<count]), to: other, path: path)
            offset += count
        }
        guard ftruncate(other, status.st_size) == 0, fsync(other) == 0 else {
            throw FileError(cannot: "write", path)
        }
    }

    /// Gives the file its name, over what has had it.
    package func finish(as final: String) throws(FileError) {
        try synchronize()
        guard renameat(folder.descriptor, name, folder.descriptor, final) == 0 else {
            throw FileError(cannot: "write", path)
        }
        isFinished = true
        pp_unfinished_forget(note)
        folder.synchronize()
    }
}
