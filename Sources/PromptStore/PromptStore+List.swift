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
    /// `body` runs outside transactions: it may call the store and take its time. Names published or removed
    /// meanwhile may or may not be visited.
    ///
    /// - Parameters:
    ///   - prefix: Only names that begin so.
    ///   - body: Called with each name.
    /// - Throws: `PromptStoreError`, and whatever `body` throws.
    public func forEachTask(prefix: String = "", _ body: (TaskSummary) throws -> Void) throws {
        var page: [TaskSummary] = []
        var reader: Result<Void, any Error> = .success(())
        do throws(PromptStoreError) {
            try converting {
                try forEachPage(of: schema.alias, prefix: Array(prefix.utf8)) { key, value, transaction in
                    let name = String(decoding: key, as: UTF8.self)
                    let alias = try Alias(value.copy, name: name)
                    let versions = try versions(of: name, in: transaction)
                    var current: [PromptManifest] = []
                    for id in alias.target.versions {
                        if let manifest = try manifest(id, in: transaction) { current.append(manifest) }
                    }
                    page.append(
                        TaskSummary(alias: alias, versions: versions.map(\.version), current: current))
                } then: {
                    reader = Result { try page.forEach(body) }
                    page.removeAll(keepingCapacity: true)
                    if case .failure = reader { throw Interruption() }
                }
            }
        } catch {
            try reader.get()
            throw error
        }
    }

    /// Ends an iteration whose visitor has thrown.
    private struct Interruption: Error {}

    /// The manifests of all of a task's versions, in order.
    ///
    /// - Throws: `notFound`, `corrupted`, `invalidName`.
    public func versions(of name: String) throws(PromptStoreError) -> [PromptManifest] {
        try TaskReference.requireName(name)
        let manifests = try reading { transaction in
            try versions(of: name, in: transaction).compactMap { id in try manifest(id, in: transaction) }
        }
        guard !manifests.isEmpty else { throw notFound(.name(name)) }
        return manifests
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
