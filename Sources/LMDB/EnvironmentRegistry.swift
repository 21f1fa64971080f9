import CLMDB
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The environments that the process has open.
///
/// LMDB forbids opening a file twice in one process: closing one of the handles would release the locks of the
/// other. The registry hands out one `Environment` for a file, by whatever path it is reached.
enum EnvironmentRegistry {
    private struct Entry {
        weak var environment: Environment?
    }

    private static let entries = Mutex<[DataFile.Identity: Entry]>([:])

    static func open(
        _ path: String, mode: Environment.Mode, initialSize: Int, maximumSize: Int
    ) throws(LMDBError) -> Environment {
        while true {
            let opened = entries.withLock { entries in
                Result { () throws(LMDBError) -> Environment? in
                    if mode == .readWrite { try DataFile.create(in: path) }
                    let identity = try DataFile.identity(in: path, nonempty: mode == .readOnly)
                    if let entry = entries[identity] { return entry.environment }
                    let handle = try handle(path, mode: mode, size: initialSize)
                    let environment = Environment(
                        handle: handle, unlocked: handle == nil ? try UnlockedFile(path) : nil, path: path,
                        identity: identity, mode: mode, maximumSize: maximumSize)
                    entries[identity] = Entry(environment: environment)
                    return environment
                }
            }
            if let environment = try opened.get() {
                guard mode == .readOnly || environment.mode == .readWrite else {
                    throw LMDBError(
                        .alreadyOpen,
                        "\(path): this process has it open for reading only, and LMDB opens a file once a"
                            + " process; close that handle before opening it for writing")
                }
                return environment
            }
            // The last reference has gone and another thread is about to close the file.
            sched_yield()
        }
    }

    /// LMDB's handle, `nil` where the file is to be read without LMDB.
    private static func handle(
        _ path: String, mode: Environment.Mode, size: Int
    ) throws(LMDBError) -> OpaquePointer? {
        guard try DataFile.canLock(in: path) || mode == .readWrite else { return nil }
        do throws(LMDBError) { return try Environment.open(path, mode: mode, size: size) } catch {
            guard error.code == .disordered, mode == .readOnly else { throw error }
            return nil
        }
    }

    /// Closes the handle of an environment that nothing refers to any more.
    static func close(_ handle: OpaquePointer?, identity: DataFile.Identity) {
        // The handle is a plain address here: it belongs to nobody else.
        nonisolated(unsafe) let handle = handle
        entries.withLock { entries in
            if let handle { mdb_env_close(handle) }
            entries[identity] = nil
        }
    }
}
