import CLMDB
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// An LMDB environment: a directory with `data.mdb` and `lock.mdb` that several processes may share.
///
/// Opened for reading where the process may not write to `lock.mdb`, its file is read without LMDB, which would follow
/// pages that a writer is changing; what is read then is of one committed state all the same.
///
/// Readers see one committed state and never wait for the writer; one writer at a time, over all processes, changes
/// it; a commit is on the disk when `write` returns. Transactions are closures, so none outlives its scope, its
/// thread or an `await`.
///
/// `@unchecked Sendable`: LMDB's environment handle may be used from any thread (transactions are bound to threads
/// by their closures, `MDB_NOTLS` frees readers from thread-local storage, and LMDB's own lock admits one writer);
/// what LMDB leaves to the caller, moving the map, is behind `gate`.
public final class Environment: @unchecked Sendable {
    /// What an environment is opened for.
    public enum Mode: Sendable {
        /// The environment must exist; `write` is refused.
        case readOnly
        /// Directory and environment are made when missing.
        case readWrite
    }

    /// The names of an environment's files.
    package static let files = [DataFile.dataName, DataFile.lockName]

    /// The directory, as it was first given.
    public let path: String
    /// What the environment was first opened for.
    public let mode: Mode

    /// LMDB's environment; `nil` where the file is read without it.
    let handle: OpaquePointer?
    /// The file where it is read without LMDB.
    let unlocked: UnlockedFile?
    let gate = TransactionGate()
    private let identity: DataFile.Identity
    private let maximumSize: Int
    private let databases = Mutex<[String: MDB_dbi]>([:])
    /// The directory, by whatever path it is reached later, and the lock file that it had; none where it cannot be
    /// read.
    private let directory: CInt
    private let lockFile: DataFile.Identity?
    /// The longest that the data file was found to be.
    private let knownLength = Atomic(0)
    /// A map that was unmapped and could not be mapped again leaves nothing to read.
    private let lostMap = Atomic(false)

    /// Opens the environment, or returns the one that the process has open already.
    ///
    /// - Parameters:
    ///   - path: The directory.
    ///   - mode: A process that has it open for writing gets that same environment for `readOnly` too.
    ///   - initialSize: Bytes of address space to begin with; it grows as needed, and costs no memory or disk.
    ///   - maximumSize: Bytes that the data may grow to.
    public static func open(
        _ path: String, mode: Mode, initialSize: Int = 64 << 20, maximumSize: Int = 1 << 40
    ) throws(LMDBError) -> Environment {
        try EnvironmentRegistry.open(
            path, mode: mode, initialSize: min(initialSize, maximumSize), maximumSize: maximumSize)
    }

    init(
        handle: OpaquePointer?, unlocked: UnlockedFile?, path: String, identity: DataFile.Identity,
        mode: Mode,
        maximumSize: Int
    ) {
        self.handle = handle
        self.unlocked = unlocked
        directory = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        lockFile = Self.lockFile(in: directory)
        self.path = path
        self.identity = identity
        self.mode = mode
        self.maximumSize = maximumSize
    }

    deinit {
        close(directory)
        EnvironmentRegistry.close(handle, identity: identity)
    }

    /// The named database.
    ///
    /// - Parameter createIfMissing: Makes it in a write transaction of its own.
    /// - Throws: `databaseMissing`.
    public func database(_ name: String, createIfMissing: Bool) throws(LMDBError) -> Database {
        if let unlocked {
            guard !createIfMissing else { throw readOnly("creating database \"\(name)\"") }
            guard try LMDBError.converting(path, { try unlocked.read { try $0.tree(of: name) } }) != nil
            else {
                throw missing(name)
            }
            return Database(name: name, handle: 0, environment: ObjectIdentifier(self))
        }
        // LMDB lets one transaction at a time open databases, which this lock sees to.
        let opened = databases.withLock { databases in
            Result { () throws(LMDBError) -> MDB_dbi in
                if let known = databases[name] { return known }
                var code = CInt(0)
                var database = try open(name, flags: 0, readOnly: true, &code)
                if code == MDB_NOTFOUND, createIfMissing {
                    try requireWritable("creating database \"\(name)\"")
                    database = try open(name, flags: UInt32(MDB_CREATE), readOnly: false, &code)
                }
                guard code != MDB_NOTFOUND else { throw missing(name) }
                guard code == MDB_SUCCESS else {
                    throw LMDBError(returnCode: code, path: path, doing: "opening database \"\(name)\"")
                }
                databases[name] = database
                return database
            }
        }
        return Database(name: name, handle: try opened.get(), environment: ObjectIdentifier(self))
    }

    private func missing(_ database: String) -> LMDBError {
        LMDBError(.databaseMissing, "\(path): there is no database \"\(database)\"; check the path")
    }

    private func open(
        _ name: String, flags: UInt32, readOnly: Bool, _ code: inout CInt
    ) throws(LMDBError) -> MDB_dbi {
        let transaction = try begin(readOnly: readOnly)
        defer { gate.leave() }
        var database = MDB_dbi()
        code = mdb_dbi_open(transaction, name, flags, &database)
        if code == MDB_SUCCESS {
            // Only a commit keeps the handle, even of a transaction that read.
            code = mdb_txn_commit(transaction)
        } else {
            mdb_txn_abort(transaction)
        }
        return database
    }

    /// Runs `body` with one committed state of the environment.
    ///
    /// Where the lock file cannot be written to, `body` runs again from the start when writers have overtaken it, so it
    /// must not change anything else.
    ///
    /// - Throws: `LMDBError` (`nestedTransaction` inside another transaction of this environment on the same
    ///   thread; `changing` when writers overtake `body` all the time), and whatever `body` throws.
    public func read<Result>(_ body: (borrowing ReadTransaction) throws -> Result) throws -> Result {
        if let unlocked {
            return try unlocked.read { try body(Transaction(source: .file($0), environment: self)) }
        }
        let transaction = try begin(readOnly: true)
        defer {
            mdb_txn_abort(transaction)
            gate.leave()
        }
        return try body(Transaction(source: .map(transaction), environment: self))
    }

    /// Runs `body` with the write transaction and commits when it returns; an error leaves everything as it was.
    ///
    /// Waits for other writers, and for the disk. `body` runs again from the start when the map has to grow, so it
    /// must not change anything else.
    ///
    /// - Throws: `LMDBError` (`readOnly`, `diskFull`, `mapFull`, `nestedTransaction`, …), and whatever `body` throws.
    public func write<Result>(_ body: (inout WriteTransaction) throws -> Result) throws -> Result {
        try requireWritable("writing")
        while true {
            let size: Int
            do {
                return try writeOnce(body)
            } catch let error as LMDBError where error.code == .mapFull {
                size = try information().me_mapsize
            }
            try grow(beyond: size)
        }
    }

    /// Runs `body` with the handle of a transaction that reads.
    func reading<Result>(
        _ body: (OpaquePointer) throws(LMDBError) -> Result
    ) throws(LMDBError) -> Result {
        let transaction = try begin(readOnly: true)
        defer {
            mdb_txn_abort(transaction)
            gate.leave()
        }
        return try body(transaction)
    }

    private func writeOnce<Result>(_ body: (inout WriteTransaction) throws -> Result) throws -> Result {
        let handle = try begin(readOnly: false)
        defer { gate.leave() }
        var transaction = WriteTransaction(source: .map(handle), environment: self)
        let result: Result
        do {
            result = try body(&transaction)
        } catch {
            mdb_txn_abort(handle)
            throw error
        }
        let code = mdb_txn_commit(handle)
        guard code == MDB_SUCCESS else { throw LMDBError(returnCode: code, path: path, doing: "committing") }
        try extendToLength()
        return result
    }

    /// Passes the gate and begins a transaction; who called ends it, then leaves the gate.
    private func begin(readOnly: Bool) throws(LMDBError) -> OpaquePointer {
        var checkedReaders = false
        while true {
            try enter()
            do throws(LMDBError) { try checkFiles(forWriting: !readOnly) } catch {
                gate.leave()
                throw error
            }
            var transaction: OpaquePointer?
            let code = mdb_txn_begin(self.handle, nil, readOnly ? UInt32(MDB_RDONLY) : 0, &transaction)
            if code == MDB_SUCCESS, let transaction { return transaction }
            gate.leave()
            switch code {
            case MDB_MAP_RESIZED:
                // Another process made the data grow.
                try resize { current, used in
                    var size = max(current, 1 << 19)
                    while size < used { size *= 2 }
                    return size
                }
            case MDB_READERS_FULL where !checkedReaders:
                // Slots of processes that were killed.
                mdb_reader_check(self.handle, nil)
                checkedReaders = true
            default:
                throw LMDBError(returnCode: code, path: path, doing: "beginning a transaction")
            }
        }
    }

    func enter() throws(LMDBError) {
        guard gate.enter() else {
            throw LMDBError(
                .nestedTransaction, "\(path): the thread is inside a transaction already; finish it first")
        }
        guard !lostMap.load(ordering: .relaxed) else {
            gate.leave()
            throw LMDBError(
                .system, "\(path): the memory map was lost for want of address space; restart the process")
        }
    }

    private func requireWritable(_ action: String) throws(LMDBError) {
        guard mode == .readWrite else { throw readOnly(action) }
    }

    private func readOnly(_ action: String) -> LMDBError {
        LMDBError(.readOnly, "\(path): \(action) failed: it was opened for reading only; open it for writing")
    }

    /// Refuses files that somebody changed beneath LMDB: reading pages that were cut off would end the process with a
    /// signal, what is written to a file without a name is lost, and a new lock file keeps nobody out.
    private func checkFiles(forWriting: Bool) throws(LMDBError) {
        var descriptor = CInt(-1)
        var status = stat()
        // Before the length is looked at: other threads may see it grow in between.
        let known = knownLength.load(ordering: .sequentiallyConsistent)
        guard mdb_env_get_fd(handle, &descriptor) == MDB_SUCCESS, fstat(descriptor, &status) == 0 else {
            throw LMDBError(returnCode: errno, path: path, doing: "looking at data.mdb")
        }
        // It never becomes shorter by itself.
        knownLength.max(Int(status.st_size), ordering: .sequentiallyConsistent)
        guard Int(status.st_size) >= known else {
            throw LMDBError(
                .corrupted,
                "\(path): data.mdb was cut short while it was open, from \(known) to \(status.st_size) bytes;"
                    + " restore a backup")
        }
        guard forWriting else { return }
        guard status.st_nlink > 0, lockFile == nil || Self.lockFile(in: directory) == lockFile else {
            throw LMDBError(
                .notFound,
                "\(path): data.mdb or lock.mdb was removed or replaced while it was open; open it again")
        }
    }

    private static func lockFile(in directory: CInt) -> DataFile.Identity? {
        var status = stat()
        guard fstatat(directory, DataFile.lockName, &status, 0) == 0 else { return nil }
        return DataFile.Identity(status)
    }

    // MARK: Growing

    private func grow(beyond size: Int) throws(LMDBError) {
        guard size < maximumSize else {
            throw LMDBError(
                .mapFull,
                "\(path): the data reached the maximum of \(maximumSize) bytes and nothing was changed; remove"
                    + " what is not needed or raise the maximum")
        }
        let target = min(maximumSize, max(size, 1 << 19) * 2)
        // Another thread may have grown it meanwhile.
        try resize { current, _ in current > size ? nil : target }
    }

    /// Maps the size that `choose` returns for the current one and the bytes that are used of the file.
    private func resize(_ choose: (_ current: Int, _ used: Int) -> Int?) throws(LMDBError) {
        let code = gate.alone { () -> CInt in
            var information = MDB_envinfo()
            var statistics = MDB_stat()
            guard !lostMap.load(ordering: .relaxed) else { return MDB_SUCCESS }
            mdb_env_info(handle, &information)
            mdb_env_stat(handle, &statistics)
            let current = information.me_mapsize
            // Of a file that is damaged while it is open it may be any number.
            let pageSize = Int(statistics.ms_psize)
            guard pageSize > 0, (0..<(1 << 47) / pageSize).contains(information.me_last_pgno) else {
                return MDB_CORRUPTED
            }
            guard let size = choose(current, (information.me_last_pgno + 1) * pageSize) else {
                return MDB_SUCCESS
            }
            // LMDB unmaps before it maps: that there is room is seen first, or nothing could be read any more.
            if size > current {
                let room = mmap(
                    nil, size - current, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                guard room != MAP_FAILED else { return ENOMEM }
                munmap(room, size - current)
            }
            let code = mdb_env_set_mapsize(handle, size)
            if code != MDB_SUCCESS { lostMap.store(true, ordering: .relaxed) }
            return code
        }
        guard code == MDB_SUCCESS else {
            throw LMDBError(returnCode: code, path: path, doing: "growing the memory map")
        }
    }

    private func information() throws(LMDBError) -> MDB_envinfo {
        try enter()
        defer { gate.leave() }
        var information = MDB_envinfo()
        mdb_env_info(handle, &information)
        return information
    }
}
