import Basics
import LMDB

/// What a verification found.
public struct Verification: Sendable, Equatable {
    /// A record that is not as it should be.
    public struct Problem: Sendable, Equatable, CustomStringConvertible {
        /// The record's database and key: `blob 9f86…`, `task spam@3`, `alias spam`; or `data.mdb`, the file.
        public let record: String
        /// What is wrong with it.
        public let message: String

        /// "record: message"
        public var description: String { "\(record): \(message)" }
    }

    /// The number of frames decoded.
    public internal(set) var frames = 0
    /// The number of manifests read.
    public internal(set) var versions = 0
    /// The number of aliases followed.
    public internal(set) var aliases = 0
    /// Everything found wrong.
    public internal(set) var problems: [Problem] = []
}

extension PromptStore {
    /// Reads everything: walks the file's pages, decodes every frame, checks every manifest against its frame and
    /// every alias against its targets.
    ///
    /// When the pages are not sound nothing in them is read: that is then the one problem, unless only keys are out of
    /// order. In short transactions, beside other readers and writers.
    ///
    /// - Throws: only when the store cannot be read at all; what is damaged is reported.
    public func verify() throws(PromptStoreError) -> Verification {
        var found = Verification()
        do throws(LMDBError) { try environment.checkStructure() } catch {
            guard [.corrupted, .disordered].contains(error.code) else {
                throw PromptStoreError(error, at: path)
            }
            found.problems = [Verification.Problem(record: "data.mdb", message: error.message)]
            guard error.code == .disordered else { return found }
        }
        found.frames = try verify("blob", schema.blob, &found) { key, value, _ in
            guard key.count == 32 else { return "the key is not a SHA-256" }
            guard value.withUnsafeBytes({ PromptFrame.hash($0) }) == key.hexadecimal else {
                return "the bytes do not have this SHA-256"
            }
            _ = try PromptFrame.decode(value)
            return nil
        }
        found.versions = try verify("task", schema.task, &found) { key, value, transaction in
            guard let id = Schema.taskVersion(key) else { return "the key is not a name and a version" }
            return try problem(with: PromptManifest(value.copy, of: id), in: transaction)
        }
        found.aliases = try verify("alias", schema.alias, &found) { key, value, transaction in
            guard let name = Schema.name(key) else { return "the key is not a name" }
            return try problem(with: Alias(value.copy, name: name), in: transaction)
        }
        _ = try verify("version", schema.version, &found) { key, value, _ in
            guard Schema.name(key) != nil else { return "the key is not a name" }
            return Schema.number(value.copy).map { $0 > 0 } == true ? nil : "the value is not a version"
        }
        _ = try verify("meta", schema.meta, &found) { key, value, _ in
            guard key != Schema.formatKey else { return nil }
            let core = String(decoding: key.dropFirst(Schema.corePrefix.count), as: UTF8.self)
            guard key.starts(with: Schema.corePrefix), SHA256.isHexadecimal(core) else {
                return "the key is not known"
            }
            return value.byteCount == 0 ? nil : "the value is not empty"
        }
        return found
    }

    /// Checks every record of a database; returns how many there are.
    private func verify(
        _ label: String, _ database: Database, _ found: inout Verification,
        _ check: ([UInt8], RawSpan, borrowing ReadTransaction) throws -> String?
    ) throws(PromptStoreError) -> Int {
        var count = 0
        do throws(PromptStoreError) {
            try converting {
                try forEachPage(of: database, pageSize: 64) { key, value, transaction in
                    let message: String?
                    switch try record({ try check(key, value, transaction) }) {
                    case .success(let problem): message = problem
                    case .failure(let error): message = error.message
                    }
                    return message.map { message in
                        Verification.Problem(record: "\(label) \(Self.text(ofKey: key))", message: message)
                    }
                } _: { page in
                    count += page.count
                    found.problems += page.compactMap(\.self)
                }
            }
        } catch {
            guard error.code == .corrupted else { throw error }
            found.problems.append(Verification.Problem(record: label, message: error.message))
        }
        return count
    }

    private func problem(
        with manifest: PromptManifest, in transaction: borrowing ReadTransaction
    ) throws -> String? {
        let blob = [UInt8](hexadecimal: manifest.blob) ?? []
        let header = try transaction.withValue(of: blob, in: schema.blob) { frame in
            frame.withUnsafeBytes { frame in try? PromptFrame.Header(frame) }
        }
        guard let header else { return "its blob \(manifest.blob) is missing" }
        // A frame whose header is damaged is reported as a frame.
        if let header,
            (header.rows, header.width, header.elementType)
                != (manifest.rows, manifest.width, manifest.elementType)
        {
            return "its shape or element type is not that of blob \(manifest.blob)"
        }
        let last = try transaction.value(of: Schema.nameKey(manifest.name), in: schema.version)
        guard let last = last.flatMap(Schema.number), last >= manifest.version else {
            return "the task's last version is missing or lower"
        }
        guard try transaction.contains(Schema.nameKey(manifest.name), in: schema.alias) else {
            return "the task has no alias"
        }
        guard try transaction.contains(Schema.coreKey(manifest.coreFingerprint), in: schema.meta) else {
            return "its core \(manifest.coreFingerprint) is not listed"
        }
        return nil
    }

    private func problem(with alias: Alias, in transaction: borrowing ReadTransaction) throws -> String? {
        for id in alias.target.versions
        where try !transaction.contains(Schema.taskKey(id), in: schema.task) {
            return "it names \(id), which is not there"
        }
        return nil
    }

    private static func text(ofKey key: [UInt8]) -> String {
        if let id = Schema.taskVersion(key) { return id.description }
        return Schema.name(key) ?? key.hexadecimal
    }

    /// Writes a compact copy of the store to a new directory, which appears whole or not at all.
    ///
    /// - Throws: `alreadyExists` when something is at `target`; `diskFull`, `permissionDenied`, ….
    public func backup(to target: String) throws(PromptStoreError) {
        try converting { try environment.copy(to: target) }
    }
}
