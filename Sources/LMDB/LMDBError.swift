import Basics
import CLMDB

#if canImport(Glibc)
    import Glibc
#endif

/// Why an environment could not be opened, read or written.
///
/// The message names the environment's path, what was being done and what to do about it.
public struct LMDBError: CodedError {
    /// What kind of failure it is.
    public enum Code: Sendable {
        /// Nothing is at the path.
        case notFound
        /// The path holds something, but not an LMDB environment.
        case notAnEnvironment
        /// Another version of LMDB's file format.
        case versionMismatch
        /// The file is damaged or was cut short.
        case corrupted
        /// Nothing is wrong with the file but keys out of order, so that it can be read, but not by LMDB.
        case disordered
        /// The process may not read, write or create the file.
        case permissionDenied
        /// A write to an environment that was opened for reading only, or that lies on a read-only file system.
        case readOnly
        /// No room is left on the file system, or a quota or file-size limit is reached. Nothing was changed.
        case diskFull
        /// The environment reached its maximum size. Nothing was changed.
        case mapFull
        /// More simultaneous read transactions than the lock file has slots for.
        case readersFull
        /// The process has the environment open for reading only, and now asked to write.
        case alreadyOpen
        /// The target of a copy exists.
        case alreadyExists
        /// A transaction was begun inside another one of the same environment on the same thread.
        case nestedTransaction
        /// A key is empty or longer than LMDB takes.
        case invalidKey
        /// The environment has no named database of that name.
        case databaseMissing
        /// A database of one environment was used in a transaction of another.
        case wrongEnvironment
        /// Writers change the file faster than it can be read without its lock file.
        case changing
        /// Any other failure of the operating system or of LMDB.
        case system
    }

    /// What kind of failure it is.
    public let code: Code
    /// What happened, where, and what to do.
    public let message: String
    /// The error behind it.
    public let cause: (any Error)?

    /// An error of a kind with its sentence.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }

    /// What `body` returns; what it throws as an error of the environment at a path.
    static func converting<Result>(_ path: String, _ body: () throws -> Result) throws(LMDBError) -> Result {
        do { return try body() } catch { throw LMDBError(.system, wrapping: error, at: path) }
    }

    /// The error for a return code of LMDB, which is one of its own negative codes or an `errno`.
    init(returnCode: CInt, path: String, doing action: String) {
        // LMDB reports a short write as EIO, whatever made it short.
        let returnCode = returnCode == EIO ? reasonOfShortWrite(in: path) ?? EIO : returnCode
        let reason = String(cString: mdb_strerror(returnCode))
        let (code, advice): (Code, String) =
            switch returnCode {
            case ENOENT:
                (.notFound, "check the path")
            case MDB_INVALID:
                (.notAnEnvironment, "the file is not an LMDB environment; check the path")
            case MDB_VERSION_MISMATCH:
                (.versionMismatch, "it was written by another version of LMDB's file format; export it there")
            case MDB_CORRUPTED, MDB_PAGE_NOTFOUND:
                (.corrupted, "the file is damaged; restore a backup")
            case MDB_PANIC:
                (.system, "an earlier write could not be undone; restart the process, then verify the file")
            case MDB_MAP_FULL:
                (.mapFull, "the environment is full; remove what is not needed or raise its maximum size")
            case MDB_READERS_FULL:
                (.readersFull, "too many read transactions are open at once; close readers and try again")
            case MDB_BAD_VALSIZE:
                (.invalidKey, "keys have 1 to 511 bytes and values at most 4 GiB")
            case ENOSPC:
                (.diskFull, "nothing was changed; make room on its disk and try again")
            case EDQUOT:
                (
                    .diskFull,
                    "nothing was changed; raise the quota on its disk, or free some of it, and try again"
                )
            case EFBIG:
                (
                    .diskFull,
                    "nothing was changed; raise the limit on the sizes of files (ulimit -f) and try again"
                )
            case EIO:
                (.system, "nothing was changed; check the disk, and quotas on it")
            case EROFS:
                (.readOnly, "the file system is mounted read-only; open for reading only or remount it")
            case EACCES, EPERM:
                (
                    .permissionDenied,
                    "the user needs permission to read the directory and its data.mdb, and to change anything, to"
                        + " write to them and to lock.mdb"
                )
            case EAGAIN, EWOULDBLOCK:
                (.system, "another process has it locked; try again")
            case ENOTDIR:
                (.notAnEnvironment, "it is not a directory; check the path")
            case EMFILE, ENFILE:
                (.system, "too many files are open; raise the limit (ulimit -n)")
            case ENOMEM:
                (.system, "no address space or memory is left; check the memory limits (ulimit -v)")
            default:
                (.system, "check the file system")
            }
        self.init(code, "\(path): \(action) failed: \(reason); \(advice)")
    }

}

/// Why the data file of a directory may not have taken all that was written to it.
private func reasonOfShortWrite(in directory: String) -> CInt? {
    // The file may end a little below, for what is written lies together.
    let margin = 1 << 20
    var limit = rlimit()
    var file = stat()
    if getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0,
        stat(DataFile.path(in: directory), &file) == 0, limit.rlim_cur < UInt(file.st_size + margin)
    {
        return EFBIG
    }
    var status = statvfs()
    guard statvfs(directory, &status) == 0, status.f_bavail * UInt(status.f_frsize) < margin else {
        return nil
    }
    return ENOSPC
}
