import Glibc

/// A file mapped read-only into memory, shared by every process that maps it.
///
/// Replace such a file by renaming a new one over it, never by writing into it: a file that shrinks under
/// its mapping ends the process, as for every program that maps files.
public final class MappedFile: Sendable {
    /// Where the file is, for messages.
    public let path: String

    /// The mapped bytes.
    ///
    /// Safe to share: the pages are read-only and stay mapped until `deinit`.
    package nonisolated(unsafe) let bytes: UnsafeRawBufferPointer

    /// Maps a regular file.
    public init(path: String) throws(FileError) {
        self.path = path
        let (descriptor, size) = try openRegularFile(path)
        defer { close(descriptor) }
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), address != MAP_FAILED
        else { throw FileError(cannot: "map", path) }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

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
