import Basics
import LMDB

/// The store's databases and their keys, as `docs/prompt-store.md` specifies them.
struct Schema: Sendable {
    /// The format this release reads and writes.
    static let format = 1

    /// SHA-256 of a frame (32 bytes) → the frame.
    let blob: Database
    /// Name, 0, version (8 bytes, big-endian) → manifest.
    let task: Database
    /// Name → alias record.
    let alias: Database
    /// Name → the last version given (8 bytes, big-endian). Outlives removal: no version is given twice.
    let version: Database
    /// `format` → its number in decimal; `core/` and a fingerprint → nothing.
    let meta: Database

    /// Opens the databases, making those that a new store lacks.
    init(_ environment: Environment, create: Bool) throws(LMDBError) {
        blob = try environment.database("blob", createIfMissing: create)
        task = try environment.database("task", createIfMissing: create)
        alias = try environment.database("alias", createIfMissing: create)
        version = try environment.database("version", createIfMissing: create)
        meta = try environment.database("meta", createIfMissing: create)
    }

    static let formatKey = Array("format".utf8)
    static let corePrefix = Array("core/".utf8)

    static func nameKey(_ name: String) -> [UInt8] { Array(name.utf8) }

    static func taskPrefix(_ name: String) -> [UInt8] { Array(name.utf8) + [0] }

    static func taskKey(_ id: TaskVersion) -> [UInt8] { taskPrefix(id.name) + number(id.version) }

    static func coreKey(_ fingerprint: String) -> [UInt8] { corePrefix + Array(fingerprint.utf8) }

    /// Numbers are written so that their bytes sort as they do.
    static func number(_ value: Int) -> [UInt8] {
        withUnsafeBytes(of: UInt64(value).bigEndian) { Array($0) }
    }

    static func number(_ bytes: some Collection<UInt8>) -> Int? {
        guard bytes.count == 8 else { return nil }
        return Int(exactly: bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    /// The name that a key of `alias` or `version` is.
    static func name(_ key: [UInt8]) -> String? {
        guard let name = String(validating: key, as: UTF8.self), TaskName.isValid(name) else { return nil }
        return name
    }

    /// The version that a key of `task` is of.
    static func taskVersion(_ key: [UInt8]) -> TaskVersion? {
        guard let end = key.firstIndex(of: 0), let version = number(key[(end + 1)...]), version > 0,
            let name = name(Array(key[..<end]))
        else { return nil }
        return TaskVersion(name: name, version: version)
    }
}

extension RawSpan {
    /// A copy that may leave the transaction.
    var copy: [UInt8] { withUnsafeBytes { Array($0) } }
}
