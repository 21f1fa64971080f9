import Basics
import CLMDB

#if canImport(Glibc)
    import Glibc
#endif

extension Environment {
    /// Reader slots of the lock file, for all processes together. Each takes 64 bytes.
    private static let readerSlots: UInt32 = 1022

    /// Named databases an environment may have.
    private static let maximumDatabases: UInt32 = 16

    /// A handle on the directory's data file, which exists.
    static func open(_ path: String, mode: Mode, size: Int) throws(LMDBError) -> OpaquePointer {
        try DataFile.checkHeader(in: path)
        var created: OpaquePointer?
        let code = mdb_env_create(&created)
        guard code == MDB_SUCCESS, let handle = created else {
            throw LMDBError(returnCode: code, path: path, doing: "opening")
        }
        do throws(LMDBError) {
            var code = mdb_env_set_maxdbs(handle, maximumDatabases)
            if code == MDB_SUCCESS { code = mdb_env_set_maxreaders(handle, readerSlots) }
            if code == MDB_SUCCESS { code = mdb_env_set_mapsize(handle, size) }
            if code == MDB_SUCCESS {
                let flags = MDB_NOTLS | (mode == .readOnly ? MDB_RDONLY : 0)
                code = mdb_env_open(handle, path, UInt32(flags), 0o666)
            }
            guard code == MDB_SUCCESS else { throw LMDBError(returnCode: code, path: path, doing: "opening") }
            try checkLength(handle, path: path)
            try checkTrees(handle, path: path)
        } catch {
            mdb_env_close(handle)
            throw error
        }
        // Frees the slots of processes that were killed, so that their snapshots do not hold space.
        mdb_reader_check(handle, nil)
        return handle
    }

    /// The bytes that the header says the file has, and those that it has.
    private static func lengths(_ handle: OpaquePointer) -> (expected: Int, actual: Int, descriptor: CInt)? {
        var information = MDB_envinfo()
        var statistics = MDB_stat()
        var descriptor = CInt(-1)
        var status = stat()
        guard mdb_env_info(handle, &information) == MDB_SUCCESS,
            mdb_env_stat(handle, &statistics) == MDB_SUCCESS,
            mdb_env_get_fd(handle, &descriptor) == MDB_SUCCESS,
            fstat(descriptor, &status) == 0
        else { return nil }
        let pages = information.me_last_pgno.addingReportingOverflow(1)
        let expected = pages.partialValue.multipliedReportingOverflow(by: Int(statistics.ms_psize))
        guard !pages.overflow, !expected.overflow, expected.partialValue >= 0 else { return nil }
        return (expected.partialValue, Int(status.st_size), descriptor)
    }

    /// Refuses a file that lacks pages: reading them would end the process with a signal.
    private static func checkLength(_ handle: OpaquePointer, path: String) throws(LMDBError) {
        for attempt in 0..<5 {
            guard let lengths = lengths(handle) else { break }
            if lengths.actual >= lengths.expected { return }
            if attempt == 4 {
                throw LMDBError(
                    .corrupted,
                    "\(path): data.mdb has \(lengths.actual) bytes and its header says \(lengths.expected): it was"
                        + " cut short; restore a backup, or, if only a crash came between, lengthen it with"
                        + " truncate -s \(lengths.expected)")
            }
            // Another process may be between its commit and `extendToLength`.
            usleep(10_000)
        }
        throw LMDBError(.corrupted, "\(path): data.mdb has a damaged header; restore a backup")
    }

    /// Gives the file the length that its header says, inside the gate and after a commit.
    ///
    /// LMDB does not write pages at the end that a transaction took and gave back, so a sound file can be shorter
    /// than its header says. Making it long enough after every commit is what lets `checkLength` tell a file that
    /// was cut. Only the holder of the write lock changes the length.
    func extendToLength() throws(LMDBError) {
        guard let handle, let lengths = Self.lengths(handle), lengths.actual < lengths.expected else {
            return
        }
        var transaction: OpaquePointer?
        let code = mdb_txn_begin(handle, nil, 0, &transaction)
        guard code == MDB_SUCCESS else { return }
        defer { mdb_txn_abort(transaction) }
        guard let lengths = Self.lengths(handle), lengths.actual < lengths.expected else { return }
        guard ftruncate(lengths.descriptor, lengths.expected) == 0, fsync(lengths.descriptor) == 0 else {
            throw LMDBError(returnCode: errno, path: path, doing: "extending data.mdb after a commit")
        }
    }

    /// Whether the environment has no database.
    public func isEmpty() throws(LMDBError) -> Bool {
        if let unlocked {
            return try LMDBError.converting(path) { try unlocked.read { $0.databaseCount == 0 } }
        }
        // Not by `mdb_env_stat`: during another process's commit it shows a state that transactions do not yet.
        return try reading { transaction throws(LMDBError) in
            var main = MDB_dbi()
            var statistics = MDB_stat()
            var code = mdb_dbi_open(transaction, nil, 0, &main)
            if code == MDB_SUCCESS { code = mdb_stat(transaction, main, &statistics) }
            guard code == MDB_SUCCESS else { throw LMDBError(returnCode: code, path: path, doing: "reading") }
            return statistics.ms_entries == 0
        }
    }

    /// Writes a compact copy of one committed state to a new directory, which appears whole or not at all.
    ///
    /// Readers and writers go on meanwhile, except that the map does not grow.
    ///
    /// - Throws: `alreadyExists` when something is at `target`; `corrupted` as `checkStructure`; `diskFull`;
    ///   `permissionDenied`.
    public func copy(to target: String) throws(LMDBError) {
        var target = target
        while target.count > 1, target.hasSuffix("/") { target.removeLast() }
        var status = stat()
        guard lstat(target, &status) != 0 else {
            throw LMDBError(
                .alreadyExists, "\(target): something is there already; name a path that does not exist")
        }
        // LMDB copies as many pages of a value as their header says. Keys get their order by being copied without it.
        do throws(LMDBError) { try checkStructure() } catch {
            guard error.code == .disordered, unlocked != nil else { throw error }
        }
        func writing(_ error: FileError) -> LMDBError {
            LMDBError(returnCode: error.number ?? ENOTDIR, path: target, doing: "writing the copy")
        }
        let copy: PartialFolder
        // Others are shut out until it is as open as the original.
        do throws(FileError) {
            copy = try PartialFolder(for: target, files: Self.files, permissions: 0o700)
        } catch { throw writing(error) }
        try copyFile(to: copy.path)
        guard stat(path, &status) == 0 else {
            throw LMDBError(returnCode: errno, path: path, doing: "copying")
        }
        do throws(FileError) { try copy.commit(permissions: status.st_mode & 0o777) } catch {
            throw writing(error)
        }
    }

    private func copyFile(to directory: String) throws(LMDBError) {
        if unlocked != nil { return try LMDBError.converting(path) { try copyRecords(to: directory) } }
        let file = DataFile.path(in: directory)
        let descriptor = Glibc.open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw LMDBError(returnCode: errno, path: directory, doing: "making data.mdb")
        }
        defer { close(descriptor) }
        try enter()
        var code = mdb_env_copyfd2(handle, descriptor, UInt32(MDB_CP_COMPACT))
        gate.leave()
        if code == MDB_SUCCESS, fsync(descriptor) != 0 { code = errno }
        guard code == MDB_SUCCESS else {
            throw LMDBError(returnCode: code, path: directory, doing: "copying")
        }
        synchronizeFolder(directory)
    }

    /// Writes the records of one state to a new environment: the copy of a file that is read without LMDB.
    private func copyRecords(to directory: String) throws {
        let copy = try Environment.open(directory, mode: .readWrite)
        try unlocked?.read { snapshot in
            let names = try snapshot.databases()
            let databases = try names.map { try copy.database($0, createIfMissing: true) }
            try copy.write { transaction in
                for (name, database) in zip(names, databases) {
                    guard let tree = try snapshot.tree(of: name) else { continue }
                    try snapshot.forEach(in: tree) { key, node, leaf in
                        try transaction.put(try snapshot.value(of: node, in: leaf), for: key, in: database)
                        return .next
                    }
                }
            }
        }
        unlink(directory + "/" + DataFile.lockName)
    }
}
