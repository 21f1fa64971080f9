import CFiles
import Glibc

/// A file mapped read-only into memory, shared by every process that maps it.
///
/// Replace such a file by renaming a new one over it, never by writing into it: a file that shrinks under its mapping
/// ends the process with SIGBUS, as for every program that maps files, or, after `watchForShrinking`, with a message.
public final class MappedFile: Sendable {
    /// Where the file is, for messages.
    public let path: String

    /// The mapped bytes.
    ///
    /// Safe to share: the pages are read-only and stay mapped until `deinit`.
    package nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

    /// Maps a regular file.
    public convenience init(path: String) throws(FileError) {
        try self.init(path: path, descriptor: openRegularFile(path).descriptor)
    }

    /// Maps a regular file of an open folder; the name may be no link.
    ///
    /// - Parameter check: Looks at what was opened, before anything of it is read, and may refuse it.
    package convenience init(
        _ name: String, in folder: OpenFolder, check: (stat) throws(FileError) -> Void
    ) throws(FileError) {
        let descriptor = try openRegularFile(name, in: folder, followsLinks: false).descriptor
        var status = stat()
        do throws(FileError) {
            guard fstat(descriptor, &status) == 0 else { throw FileError(cannot: "open", name) }
            try check(status)
        } catch {
            close(descriptor)
            throw error
        }
        try self.init(path: "\(folder.path)/\(name)", descriptor: descriptor)
    }

    /// - Parameter descriptor: Is closed.
    private init(path: String, descriptor: Int32) throws(FileError) {
        self.path = path
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError(cannot: "map", path) }
        let size = Int(status.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), address != MAP_FAILED
        else { throw FileError(cannot: "map", path) }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    /// From now on a file that shrinks under its mapping ends this process with a message on standard error and status 1,
    /// and what is unfinished is removed. For programs, not for libraries: it takes SIGBUS over.
    package static func watchForShrinking() { pp_watch_mapped_files() }

    /// Drops the pages from this process's memory; reading brings them back.
    package func release() { release(bytes) }

    /// Drops the whole pages of a part of the bytes.
    package func release(_ part: UnsafeRawBufferPointer) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        guard let address = part.baseAddress, page > 0 else { return }
        let begin = (Int(bitPattern: address) + page - 1) / page * page
        // The last page of a file is whole, whatever the file's size.
        let end = Int(bitPattern: address) + part.count
        let last =
            end == bytes.baseAddress.map { Int(bitPattern: $0) + bytes.count } ? end : end / page * page
        guard begin < last, let start = UnsafeMutableRawPointer(bitPattern: begin) else { return }
        madvise(start, last - begin, MADV_DONTNEED)
    }

    deinit {
        if let address = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
        }
    }
}
