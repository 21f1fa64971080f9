import Basics
import CLMDB

#if canImport(Glibc)
    import Glibc
#endif

/// The files `data.mdb` and `lock.mdb` of an environment's directory, looked at before LMDB opens them.
///
/// LMDB opens whatever it finds, and trusts the header of what it maps: a page size that is not one, or a file that is
/// shorter than the header says, would end the process with a signal once the missing page is read.
enum DataFile {
    /// What tells files apart however they are reached.
    struct Identity: Hashable {
        let device: UInt
        let inode: UInt

        init(_ status: stat) {
            device = UInt(status.st_dev)
            inode = UInt(status.st_ino)
        }
    }

    static let dataName = "data.mdb"
    static let lockName = "lock.mdb"

    static func path(in directory: String) -> String { directory + "/" + dataName }

    /// Makes the directory, its parents and an empty data file where they are missing. LMDB takes an empty file
    /// for a new environment.
    static func create(in directory: String) throws(LMDBError) {
        let created: [String]
        do { created = try makeFolder(directory) } catch {
            throw LMDBError(
                returnCode: error.number ?? ENOTDIR, path: directory, doing: "making the directory")
        }
        guard try !isLink(in: directory) else {
            throw LMDBError(
                .notAnEnvironment,
                "\(directory): data.mdb is a symbolic link, and lock.mdb beside it would not keep out those who"
                    + " write to its target; link the directory instead")
        }
        _ = try status(of: dataName, in: directory)
        let descriptor = open(
            path(in: directory), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
        guard descriptor >= 0 else {
            throw LMDBError(returnCode: errno, path: directory, doing: "opening data.mdb for writing")
        }
        close(descriptor)
        // A commit is durable only if the names that lead to the file are.
        for name in created { synchronizeFolder(name + "/..") }
        synchronizeFolder(directory)
    }

    /// The identity of the directory's data file, which must not be empty when `nonempty`.
    static func identity(in directory: String, nonempty: Bool) throws(LMDBError) -> Identity {
        guard let status = try status(of: dataName, in: directory) else {
            throw LMDBError(returnCode: ENOENT, path: directory, doing: "opening data.mdb")
        }
        guard !nonempty || status.st_size > 0 else {
            throw LMDBError(.notFound, "\(directory): data.mdb is empty; create the environment first")
        }
        return Identity(status)
    }

    /// A descriptor of the data file to read from, which the caller closes.
    static func openForReading(in directory: String) throws(LMDBError) -> CInt {
        _ = try status(of: dataName, in: directory)
        let descriptor = open(path(in: directory), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw LMDBError(returnCode: errno, path: directory, doing: "opening data.mdb")
        }
        return descriptor
    }

    static func isLink(in directory: String) throws(LMDBError) -> Bool {
        var status = stat()
        return lstat(path(in: directory), &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// Whether the process may take part in the environment's locking, which readers write to `lock.mdb` for. Makes the
    /// file where it is missing and may be made, for the user whose data it is.
    static func canLock(in directory: String) throws(LMDBError) -> Bool {
        // Of a link's target others may have another lock file.
        guard try !isLink(in: directory) else { return false }
        let path = directory + "/" + lockName
        var link = stat()
        guard lstat(path, &link) != 0 || link.st_mode & S_IFMT != S_IFLNK else {
            throw LMDBError(
                .notAnEnvironment, "\(directory): lock.mdb is a symbolic link; a regular file was expected")
        }
        let isMissing = try status(of: lockName, in: directory) == nil
        let flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        let descriptor = open(path, isMissing ? flags | O_CREAT : flags, 0o666)
        guard descriptor >= 0 else {
            guard [EACCES, EPERM, EROFS].contains(errno) else {
                throw LMDBError(returnCode: errno, path: directory, doing: "opening lock.mdb")
            }
            return false
        }
        defer { close(descriptor) }
        if isMissing, let data = try status(of: dataName, in: directory), data.st_uid != geteuid() {
            // A superuser's file would keep the owner out. Others cannot give files away.
            _ = fchown(descriptor, data.st_uid, data.st_gid)
        }
        return true
    }

    /// The status of one of the files, `nil` where there is none.
    ///
    /// - Throws: for anything but a regular file: a named pipe would hold the process up for ever.
    static func status(of name: String, in directory: String) throws(LMDBError) -> stat? {
        var status = stat()
        guard stat(directory + "/" + name, &status) == 0 else {
            guard errno == ENOENT else {
                throw LMDBError(returnCode: errno, path: directory, doing: "opening \(name)")
            }
            return nil
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw LMDBError(
                .notAnEnvironment,
                "\(directory): \(name) is \(kind(status.st_mode)); a regular file was expected")
        }
        return status
    }

    private static func kind(_ mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFIFO: "a named pipe"
        case S_IFDIR: "a directory"
        case S_IFSOCK: "a socket"
        default: "a device"
        }
    }

    /// Refuses a header that LMDB could not have written; returns the size of pages, 0 for an empty file.
    ///
    /// LMDB takes the page size from the newer of the two meta pages, finds the second by that of the first, divides
    /// by it, and maps as many pages as they say.
    @discardableResult
    static func checkHeader(in directory: String) throws(LMDBError) -> Int {
        let descriptor = try openForReading(in: directory)
        defer { close(descriptor) }
        func meta(at offset: Int) -> (MetaPage, complete: Bool, empty: Bool) {
            var page = [UInt8](repeating: 0, count: MetaPage.size)
            let count = pread(descriptor, &page, page.count, offset)
            return (MetaPage(page), count == page.count, count == 0)
        }
        let first = meta(at: 0)
        guard !first.empty else { return 0 }
        guard first.complete, first.0.isLMDB, PageFormat.pageSizes.contains(first.0.pageSize) else {
            throw LMDBError(
                .notAnEnvironment,
                "\(directory): data.mdb does not begin with an LMDB header; check the path or restore a backup"
            )
        }
        guard first.0.hasKnownVersion else {
            throw LMDBError(returnCode: MDB_VERSION_MISMATCH, path: directory, doing: "opening data.mdb")
        }
        let second = meta(at: first.0.pageSize)
        // LMDB refuses a file without it.
        guard second.complete else { return first.0.pageSize }
        guard second.0.pageSize == first.0.pageSize, first.0.fitsAddresses, second.0.fitsAddresses else {
            throw LMDBError(
                Damage("its meta pages have other page sizes or too many pages"), path: directory)
        }
        return first.0.pageSize
    }
}
