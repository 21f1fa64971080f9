import Basics
import Glibc

/// The file `data.mdb` of an environment's directory: whether it can be opened, before LMDB maps it.
///
/// LMDB trusts its header. A page size that is not one, or a file that is shorter than the header says, would end
/// the process with a signal once the missing page is read, so both are looked at first.
enum DataFile {
    /// What tells files apart however they are reached.
    struct Identity: Hashable {
        let device: UInt
        let inode: UInt
    }

    static func path(in directory: String) -> String { directory + "/data.mdb" }

    /// Makes the directory, its parents and an empty data file where they are missing. LMDB takes an empty file
    /// for a new environment.
    static func create(in directory: String) throws(LMDBError) {
        let created: [String]
        do { created = try makeFolder(directory) } catch {
            throw LMDBError(
                returnCode: error.number ?? ENOTDIR, path: directory, doing: "making the directory")
        }
        let descriptor = open(path(in: directory), O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
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
        var status = stat()
        guard stat(path(in: directory), &status) == 0 else {
            throw LMDBError(returnCode: errno, path: directory, doing: "opening data.mdb")
        }
        guard !nonempty || status.st_size > 0 else {
            throw LMDBError(.notFound, "\(directory): data.mdb is empty; create the environment first")
        }
        return Identity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
    }

    /// Refuses a header whose page size LMDB could not have written.
    ///
    /// LMDB takes the page size from the newer of the two meta pages, finds the second by that of the first, divides
    /// by it, and maps as many pages as they say. It checks magic and version itself.
    static func checkHeader(in directory: String) throws(LMDBError) {
        let descriptor = open(path(in: directory), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw LMDBError(returnCode: errno, path: directory, doing: "opening data.mdb")
        }
        defer { close(descriptor) }
        func meta(at offset: Int) -> (MetaPage, complete: Bool, empty: Bool) {
            var page = [UInt8](repeating: 0, count: MetaPage.size)
            let count = pread(descriptor, &page, page.count, offset)
            return (MetaPage(page), count == page.count, count == 0)
        }
        let first = meta(at: 0)
        guard !first.empty else { return }
        guard first.complete, PageFormat.pageSizes.contains(first.0.pageSize) else {
            throw LMDBError(
                .notAnEnvironment,
                "\(directory): data.mdb does not begin with an LMDB header; check the path or restore a backup"
            )
        }
        let second = meta(at: first.0.pageSize)
        // LMDB refuses a file without it.
        guard second.complete else { return }
        guard second.0.pageSize == first.0.pageSize, first.0.fitsAddresses, second.0.fitsAddresses else {
            throw LMDBError(
                Damage("its meta pages have other page sizes or too many pages"), path: directory)
        }
    }
}
