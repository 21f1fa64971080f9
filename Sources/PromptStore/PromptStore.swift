import Basics
import LMDB

/// A store of versioned, content-addressed soft prompts in an LMDB environment that several processes may share.
///
/// Whatever one process commits, another sees at its next call. Every call runs in transactions of its own: reads
/// cost microseconds and never wait; changes wait for other writers and for the disk, so keep them off threads that
/// must not block. Versions never change. See `docs/prompt-store.md` for the bytes.
public final class PromptStore: Sendable {
    /// What a store is opened for.
    public enum Mode: Sendable {
        /// The store must exist; changes are refused.
        case readOnly
        /// The store is made when missing.
        case readWrite
    }

    /// The files of a store's directory.
    package static let files = Environment.files

    /// The store's directory.
    public let path: String
    /// What the store is open for.
    public let mode: Mode

    let environment: Environment
    let schema: Schema
    /// Decoded prompts by content hash.
    let prompts: LRUCache<String, SoftPrompt>
    /// Parsed manifests. Versions never change, so only their presence has to be read.
    let manifests = LRUCache<TaskVersion, PromptManifest>(capacity: 64 << 20)

    /// Opens a store.
    ///
    /// - Parameters:
    ///   - path: The directory.
    ///   - mode: What it is opened for.
    ///   - residentBytes: Bytes of decoded prompts to keep in memory.
    ///   - maximumSize: Bytes that the store may grow to.
    /// - Throws: `notFound`, `notAStore`, `unsupportedFormat` (a newer release wrote it), `corrupted`,
    ///   `permissionDenied`, …
    public init(
        path: String, mode: Mode, residentBytes: Int = 256 << 20, maximumSize: Int = 1 << 40
    ) throws(PromptStoreError) {
        do {
            environment = try Environment.open(
                path, mode: mode == .readOnly ? .readOnly : .readWrite, maximumSize: maximumSize)
            schema = try Self.open(environment, mode: mode)
        } catch {
            throw PromptStoreError(error, at: path)
        }
        self.path = path
        self.mode = mode
        prompts = LRUCache(capacity: residentBytes)
    }

    /// Checks the format before anything is made, so that another program's environment stays as it is.
    private static func open(_ environment: Environment, mode: Mode) throws -> Schema {
        if try environment.isEmpty() {
            guard mode == .readWrite else {
                throw PromptStoreError(
                    .notAStore,
                    "\(environment.path): there is no prompt store yet; publish a task to make one")
            }
        } else {
            let meta: Database
            do throws(LMDBError) {
                meta = try environment.database("meta", createIfMissing: false)
            } catch {
                throw PromptStoreError(
                    .notAStore,
                    "\(environment.path): this LMDB environment is not a prompt store; check the path")
            }
            let format = try environment.read { try $0.value(of: Schema.formatKey, in: meta) }
            if let format {
                try check(format: format, path: environment.path)
            } else if mode == .readOnly {
                // The format is written last.
                throw PromptStoreError(
                    .notAStore,
                    "\(environment.path): the store is not finished; wait for its maker, or open it for writing to"
                        + " finish it")
            }
        }
        // `meta` is made first: an environment with other databases but no `meta` is never ours.
        if mode == .readWrite { _ = try environment.database("meta", createIfMissing: true) }
        let schema = try Schema(environment, create: mode == .readWrite)
        let format = try environment.read { try $0.value(of: Schema.formatKey, in: schema.meta) }
        if format == nil {
            try environment.write { transaction in
                try transaction.put(Array("\(Schema.format)".utf8), for: Schema.formatKey, in: schema.meta)
            }
        }
        return schema
    }

    private static func check(format bytes: [UInt8], path: String) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let format = Int(text), format > 0 else {
            throw PromptStoreError(
                .corrupted,
                "\(path): the store's format is \(text.quoted), not a number; restore a backup")
        }
        guard format == Schema.format else {
            throw PromptStoreError(
                .unsupportedFormat,
                "\(path): the store has format \(format) and this release reads format \(Schema.format); use a newer"
                    + " release")
        }
    }

    // MARK: Transactions

    func reading<Result>(
        _ body: (borrowing ReadTransaction) throws -> Result
    ) throws(PromptStoreError) -> Result {
        try converting { try environment.read(body) }
    }

    /// Runs `body` in a write transaction, and once more where there was no room until some was made.
    func writing<Result>(
        _ body: (inout WriteTransaction) throws -> Result
    ) throws(PromptStoreError) -> Result {
        do {
            return try write(body)
        } catch {
            guard [.diskFull, .storeFull].contains(error.code), makeRoom() else { throw error }
            return try write(body)
        }
    }

    /// Makes what was freed usable; `false` where not even that is possible.
    ///
    /// LMDB gives pages to no transaction before the second commit after the one that freed them. So the collection's
    /// commit is followed by one that changes nothing, and goes after one, for what was removed last.
    private func makeRoom() -> Bool {
        do throws(PromptStoreError) {
            try commitNothing()
            let collected = try write { transaction in try collectGarbage(in: &transaction) }
            if collected.frames > 0 { try commitNothing() }
            return true
        } catch {
            return false
        }
    }

    /// A commit that writes what is there already.
    private func commitNothing() throws(PromptStoreError) {
        try write { transaction in
            guard let format = try transaction.value(of: Schema.formatKey, in: schema.meta) else { return }
            try transaction.put(format, for: Schema.formatKey, in: schema.meta)
        }
    }

    /// Checks the format again: another process may have brought a newer release to the store.
    private func write<Result>(
        _ body: (inout WriteTransaction) throws -> Result
    ) throws(PromptStoreError) -> Result {
        guard mode == .readWrite else {
            throw PromptStoreError(
                .readOnly, "\(path): the store is open for reading only; open it for writing to change it")
        }
        return try converting {
            try environment.write { transaction in
                if let format = try transaction.value(of: Schema.formatKey, in: schema.meta) {
                    try Self.check(format: format, path: path)
                }
                return try body(&transaction)
            }
        }
    }

    func converting<Result>(_ body: () throws -> Result) throws(PromptStoreError) -> Result {
        do {
            return try body()
        } catch {
            throw PromptStoreError(error, at: path)
        }
    }
}
