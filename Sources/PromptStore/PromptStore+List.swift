import Basics
import LMDB

/// A name of the store, for listings.
public struct TaskSummary: Sendable, Equatable {
    /// The name, what it stands for and stood for.
    public let alias: Alias
    /// The name's own versions in order; empty for a name that only stands for others.
    public let versions: [Int]
    /// The manifests of what it stands for.
    public let current: [PromptManifest]
}

extension PromptStore {
    /// Visits every name in order, holding few of them in memory at a time.
    ///
    /// A damaged record costs its name alone: `body` gets the error, which names the record. Such names come last where
    /// it is the alias that is missing. `body` runs outside transactions: it may call the store and take its time.
    /// Names published or removed meanwhile may or may not be visited.
    ///
    /// - Parameters:
    ///   - prefix: Only names that begin so.
    ///   - body: Called with each name.
    /// - Throws: `PromptStoreError`, and whatever `body` throws.
    public func forEachTask(
        prefix: String = "", _ body: (Result<TaskSummary, PromptStoreError>) throws -> Void
    ) throws {
        var reader: Result<Void, any Error> = .success(())
        func visit(_ task: Result<TaskSummary, PromptStoreError>) throws {
            reader = Result { try body(task) }
            if case .failure = reader { throw Interruption() }
        }
        do throws(PromptStoreError) {
            try converting {
                try forEachPage(of: schema.alias, prefix: Array(prefix.utf8)) { key, value, transaction in
                    try record { try summary(key, value, in: transaction) }
                } _: { page in
                    try page.forEach(visit)
                }
                var last: String?
                try forEachPage(of: schema.task, prefix: Array(prefix.utf8)) { key, _, transaction in
                    try record { try nameWithoutAlias(key, in: transaction) }
                } _: { page in
                    for name in page {
                        switch name {
                        case .failure(let error): try visit(.failure(error))
                        case .success(let name?) where name != last:
                            last = name
                            try visit(.failure(missingAlias(name)))
                        case .success: break
                        }
                    }
                }
            }
        } catch {
            try reader.get()
            throw error
        }
    }

    private func summary(
        _ key: [UInt8], _ value: RawSpan, in transaction: borrowing ReadTransaction
    ) throws -> TaskSummary {
        guard let name = Schema.name(key) else { throw damagedKey(key, of: "an alias") }
        let alias = try Alias(value.copy, name: name)
        return TaskSummary(
            alias: alias, versions: try versions(of: name, in: transaction).map(\.version),
            current: try targets(of: alias, in: transaction))
    }

    private func nameWithoutAlias(
        _ key: [UInt8], in transaction: borrowing ReadTransaction
    ) throws -> String? {
        guard let id = Schema.taskVersion(key) else { throw damagedKey(key, of: "a version") }
        return try transaction.contains(Schema.nameKey(id.name), in: schema.alias) ? nil : id.name
    }

    /// The error of a key that this release does not write.
    func damagedKey(_ key: [UInt8], of record: String) -> PromptStoreError {
        PromptStoreError(
            .corrupted, "\(path): the key \(key.hexadecimal) of \(record) is damaged; restore a backup")
    }

    /// Ends an iteration whose visitor has thrown.
    private struct Interruption: Error {}

    /// A task's versions, in order.
    ///
    /// - Throws: `notFound`, `invalidName`.
    public func versions(of name: String) throws(PromptStoreError) -> [TaskVersion] {
        try TaskReference.requireName(name)
        let versions = try reading { transaction in try self.versions(of: name, in: transaction) }
        guard !versions.isEmpty else { throw notFound(.name(name)) }
        return versions
    }

    /// The fingerprints of the cores that prompts were published for, in order.
    public func cores() throws(PromptStoreError) -> [String] {
        try reading { transaction in
            var cores: [String] = []
            try transaction.forEach(in: schema.meta, prefix: Schema.corePrefix) { key, _ in
                cores.append(String(decoding: key.copy.dropFirst(Schema.corePrefix.count), as: UTF8.self))
                return .next
            }
            return cores
        }
    }
}
