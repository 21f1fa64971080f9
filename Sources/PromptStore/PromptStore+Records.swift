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

    /// Whether the task has a version higher than one.
    func hasVersion<Access>(
        after id: TaskVersion, in transaction: borrowing Transaction<Access>
    ) throws -> Bool {
        var found = false
        try transaction.forEach(
            in: schema.task, prefix: Schema.taskPrefix(id.name), after: Schema.taskKey(id)
        ) { _, _ in
            found = true
            return .stop
        }
        return found
    }

    /// The versions that an alias stands for.
    func targets<Access>(
        of alias: Alias, in transaction: borrowing Transaction<Access>
    ) throws -> [PromptManifest] {
        var manifests: [PromptManifest] = []
        for id in alias.target.versions {
            guard let manifest = try manifest(id, in: transaction) else {
                throw PromptStoreError(
                    .corrupted,
                    "\(path): the alias \"\(alias.name)\" names \(id), which is not there; point it elsewhere or"
                        + " restore a backup")
            }
            manifests.append(manifest)
        }
        return manifests
    }

    func missingAlias(_ name: String) -> PromptStoreError {
        PromptStoreError(
            .corrupted,
            "\(path): \"\(name)\" has versions and no alias; point it at one of them or restore a backup")
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

    /// What `body` reads, or why its record cannot be read, which is the record's trouble alone.
    func record<Element>(
        _ body: () throws -> Element
    ) throws -> Result<Element, PromptStoreError> {
        do { return .success(try body()) } catch let error as PromptStoreError { return .failure(error) }
    }

    /// Visits a database in several short transactions, so that none holds old pages or the map for long.
    ///
    /// - Parameters:
    ///   - element: What there is to say of a key and its value. Must be content with entries of different states; may
    ///     look up related records in its transaction, and may be called again for a key.
    ///   - body: Gets the elements of a page, outside of transactions.
    func forEachPage<Element>(
        of database: Database, prefix: [UInt8] = [], pageSize: Int = 256,
        _ element: (_ key: [UInt8], _ value: RawSpan, _ transaction: borrowing ReadTransaction) throws ->
            Element,
        _ body: ([Element]) throws -> Void
    ) throws {
        // No page can begin behind a key that is out of order.
        var pageSize = environment.isDisordered ? Int.max : pageSize
        var last: [UInt8]?
        while true {
            let page: (elements: [Element], last: [UInt8]?)
            do {
                page = try environment.read { transaction in
                    var page: (elements: [Element], last: [UInt8]?) = ([], last)
                    try transaction.forEach(in: database, prefix: prefix, after: last) { key, value in
                        let key = key.copy
                        page.elements.append(try element(key, value, transaction))
                        page.last = key
                        return page.elements.count == pageSize ? .stop : .next
                    }
                    return page
                }
            } catch let error as LMDBError where error.code == .changing && pageSize > 1 {
                // Without the lock file a page has to be read faster than writers commit.
                pageSize /= 4
                continue
            }
            try body(page.elements)
            guard page.elements.count == pageSize else { return }
            last = page.last
        }
    }
}
