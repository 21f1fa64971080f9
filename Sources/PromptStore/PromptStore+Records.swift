import LMDB

/// Reading single records in a transaction, strictly.
extension PromptStore {
    func alias<Access>(_ name: String, in transaction: borrowing Transaction<Access>) throws -> Alias? {
        let bytes = try transaction.value(of: Schema.nameKey(name), in: schema.alias)
        return try bytes.map { bytes in try Alias(bytes, name: name) }
    }

    /// The version's manifest, from memory when it has been parsed before and is still there.
    func manifest<Access>(
        _ id: TaskVersion, in transaction: borrowing Transaction<Access>
    ) throws -> PromptManifest? {
        let key = Schema.taskKey(id)
        if let known = manifests.value(for: id) {
            return try transaction.contains(key, in: schema.task) ? known : nil
        }
        guard let bytes = try transaction.value(of: key, in: schema.task) else { return nil }
        let manifest = try PromptManifest(bytes, of: id)
        manifests.insert(manifest, for: id, cost: bytes.count)
        return manifest
    }

    func contains<Access>(
        _ target: AliasTarget, in transaction: borrowing Transaction<Access>
    ) throws -> Bool {
        for id in target.versions where try !transaction.contains(Schema.taskKey(id), in: schema.task) {
            return false
        }
        return true
    }

    /// The task's versions in order.
    func versions<Access>(
        of name: String, in transaction: borrowing Transaction<Access>
    ) throws -> [TaskVersion] {
        var versions: [TaskVersion] = []
        try transaction.forEach(in: schema.task, prefix: Schema.taskPrefix(name)) { key, _ in
            if let id = Schema.taskVersion(key.copy) { versions.append(id) }
            return .next
        }
        return versions
    }

    /// Visits a database in several short transactions, so that none holds old pages or the map for long.
    ///
    /// `body` must be content with entries of different states; it may look up related records in its transaction.
    func forEachPage(
        of database: Database, prefix: [UInt8] = [], pageSize: Int = 256,
        _ body: (_ key: [UInt8], _ value: RawSpan, _ transaction: borrowing ReadTransaction) throws -> Void,
        then betweenPages: () throws -> Void = {}
    ) throws {
        var last: [UInt8]?
        var count: Int
        repeat {
            count = 0
            try environment.read { transaction in
                try transaction.forEach(in: database, prefix: prefix, after: last) { key, value in
                    let key = key.copy
                    try body(key, value, transaction)
                    last = key
                    count += 1
                    return count == pageSize ? .stop : .next
                }
            }
            try betweenPages()
        } while count == pageSize
    }
}
