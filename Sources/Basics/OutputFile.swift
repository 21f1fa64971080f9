import CFiles
import Glibc

/// A file that is there whole or not at all, also when the machine stops, and that respects what stands at its path.
///
/// Until `commit` the bytes are in a file beside it, which is then synchronized with the disk and renamed.
///
/// - A link stays, and what it leads to is written, whether there is something yet or not.
/// - A file that is there keeps its mode, owner, group and extended attributes. Where renaming cannot do that (a file of
///   another user's, one with several names, one that is mounted), the finished bytes are copied into it; where nothing
///   can be put beside it, it is written directly, its old bytes going with the first of the new.
/// - A named pipe, a device or an open file (`/dev/stdout`, `/dev/fd/3`) is a stream: it takes the bytes as they come.
package final class OutputFile {
    /// Where the file is to appear.
    package let path: String
    private let place: OutputPlace
    private let way: Way
    private var isEmptied = false
    private var isClosed = false

    private enum Way {
        case beside(PartialFile)
        case directly(Int32)
        case stream(Int32)
    }

    /// Begins a file.
    ///
    /// - Parameter permissions: Of a new file, before the process's mask is taken off.
    /// - Throws: `FileError` where it could not be written: without permission, a directory, a socket, a block device.
    package init(path: String, permissions: mode_t = 0o666) throws(FileError) {
        self.path = path
        place = try OutputPlace(path)
        guard !place.isOpenFile else {
            way = .stream(try Self.openFile(place, path))
            return
        }
        let folder = place.folder
        guard let status = folder.status(of: place.name) else {
            guard errno == ENOENT else { throw FileError(cannot: "write", path) }
            way = .beside(try PartialFile(path, for: place.name, in: folder, permissions: permissions))
            return
        }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFIFO, S_IFCHR:
            way = .stream(try Self.open(place, O_NOCTTY, path))
            return
        default:
            throw FileError("\(path) is \(FileError.kind(of: status)); a file to write was expected")
        }
        let existing = try Self.open(place, O_NONBLOCK, path)
        do throws(FileError) {
            // Never more open than what it is to replace.
            let partial = try PartialFile(
                path, for: place.name, in: folder, permissions: permissions & status.st_mode)
            way = .beside(partial)
            close(existing)
        } catch {
            guard let number = error.number, [EACCES, EPERM, EROFS].contains(number) else {
                close(existing)
                throw error
            }
            way = .directly(existing)
        }
    }

    deinit {
        switch way {
        case .beside: break
        case .directly(let descriptor), .stream(let descriptor): if !isClosed { close(descriptor) }
        }
    }

    private static func open(_ place: OutputPlace, _ flags: Int32, _ path: String) throws(FileError) -> Int32
    {
        let descriptor = openat(
            place.folder.descriptor, place.name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | flags)
        guard descriptor >= 0 else { throw FileError(cannot: "write", path) }
        return descriptor
    }

    /// A descriptor of what is open already. This process's own is doubled: opened anew, a file would be written from its
    /// beginning, and a socket, or what another user has opened, not at all.
    private static func openFile(_ place: OutputPlace, _ path: String) throws(FileError) -> Int32 {
        var named = stat()
        var own = stat()
        if let number = Int32(place.name), fstatat(place.folder.descriptor, place.name, &named, 0) == 0,
            fstat(number, &own) == 0, own.st_dev == named.st_dev, own.st_ino == named.st_ino
        {
            guard fcntl(number, F_GETFL) & O_ACCMODE != O_RDONLY else {
                throw FileError("\(path) is not open for writing")
            }
            let descriptor = fcntl(number, F_DUPFD_CLOEXEC, 3)
            guard descriptor >= 0 else { throw FileError(cannot: "write", path) }
            return descriptor
        }
        let descriptor = openat(
            place.folder.descriptor, place.name, O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(cannot: "write", path) }
        return descriptor
    }

    /// Whether the bytes go into a file as they come, and it is that one: to read it meanwhile would lose what is not read
    /// yet, or never end.
    package func writesDirectly(into file: stat) -> Bool {
        switch way {
        case .beside: false
        case .directly(let descriptor), .stream(let descriptor): file.isRegularFile(of: descriptor)
        }
    }

    /// Appends bytes.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        switch way {
        case .beside(let file): try file.write(bytes)
        case .directly(let descriptor):
            guard !bytes.isEmpty else { return }
            try empty(descriptor)
            try writeAll(bytes, to: descriptor, path: path)
        case .stream(let descriptor): try writeAll(bytes, to: descriptor, path: path)
        }
    }

    /// Appends bytes.
    package func write(_ bytes: [UInt8]) throws(FileError) {
        let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(FileError) in try write(bytes) }
        }
        try result.get()
    }

    private func empty(_ descriptor: Int32) throws(FileError) {
        guard !isEmptied else { return }
        guard ftruncate(descriptor, 0) == 0 else { throw FileError(cannot: "write", path) }
        isEmptied = true
    }

    /// Gives the file its name, or ends a stream.
    package func commit() throws(FileError) {
        switch way {
        case .beside(let file): try commit(file)
        case .directly(let descriptor):
            try empty(descriptor)
            guard fsync(descriptor) == 0 else { throw FileError(cannot: "write", path) }
            try finish(descriptor)
        case .stream(let descriptor): try finish(descriptor)
        }
    }

    /// Closes a descriptor. Some file systems say only then that bytes were lost.
    private func finish(_ descriptor: Int32) throws(FileError) {
        isClosed = true
        guard close(descriptor) == 0 || errno == EINTR else { throw FileError(cannot: "write", path) }
    }

    private func commit(_ file: PartialFile) throws(FileError) {
        let existing = openat(
            place.folder.descriptor, place.name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard existing >= 0 else {
            guard errno == ENOENT else { throw FileError(cannot: "write", path) }
            try file.finish(as: place.name)
            return
        }
        do throws(FileError) {
            try replace(existing, by: file)
        } catch {
            close(existing)
            throw error
        }
        try finish(existing)
    }

    private func replace(_ existing: Int32, by file: PartialFile) throws(FileError) {
        if file.takeAttributes(of: existing) {
            do throws(FileError) {
                try file.finish(as: place.name)
                return
            } catch {
                // What is mounted at the path, or another's in a folder with a sticky bit, cannot be replaced.
                guard let number = error.number, [EACCES, EBUSY, EPERM, EXDEV].contains(number) else {
                    throw error
                }
            }
        }
        try file.copy(into: existing)
    }
}

extension stat {
    /// Whether it is a regular file, and the descriptor's.
    package func isRegularFile(of descriptor: Int32) -> Bool {
        var own = stat()
        return fstat(descriptor, &own) == 0 && own.st_mode & S_IFMT == S_IFREG
            && (own.st_dev, own.st_ino) == (st_dev, st_ino)
    }
}
