import Basics
import LMDB

/// What a collection freed.
public struct CollectedGarbage: Sendable, Equatable {
    /// The number of frames.
    public let frames: Int
    /// Their bytes.
    public let bytes: Int
    /// What could not be read, so that frames that it may name were kept.
    public let damaged: [PromptStoreError]
}

extension PromptStore {
    /// Removes a version (`name@version`), or a name with all its versions (`name`).
    ///
    /// A name whose present version is removed goes back to its latest earlier target, or else to the highest
    /// version that is left, or goes with the last version. Frames stay until `collectGarbage`; version numbers are
    /// never given again.
    ///
    /// - Returns: the versions removed, none for a name that only stood for others.
    /// - Throws: `inUse` when another name stands for one of the versions, naming it; `notFound`,
    ///   `invalidReference`, `readOnly`, ….
    @discardableResult
    public func remove(_ reference: String) throws(PromptStoreError) -> [TaskVersion] {
        let reference = try TaskReference(reference)
        return try writing { transaction in
            let name = reference.name
            let all = try versions(of: name, in: transaction)
            let removed: [TaskVersion]
            switch reference {
            case .name:
                removed = all
                let existed = try transaction.contains(Schema.nameKey(name), in: schema.alias)
                guard existed || !all.isEmpty else { throw notFound(reference) }
            case .version(let id):
                removed = [id]
                guard all.contains(id) else { throw notFound(reference) }
            }
            try requireUnnamed(removed, exceptBy: name, in: transaction)
            for id in removed { try transaction.delete(Schema.taskKey(id), in: schema.task) }
            switch reference {
            case .name: try transaction.delete(Schema.nameKey(name), in: schema.alias)
            case .version: try repoint(name, left: all.filter { !removed.contains($0) }, in: &transaction)
            }
            return removed
        }
    }

    /// Points a name whose target has lost a version elsewhere.
    private func repoint(
        _ name: String, left: [TaskVersion], in transaction: inout WriteTransaction
    ) throws {
        guard var alias = try alias(name, in: transaction),
            try !contains(alias.target, in: transaction)
        else { return }
        var target: AliasTarget?
        while target == nil, let earlier = alias.history.popLast() {
            if try contains(earlier, in: transaction) { target = earlier }
        }
        guard let target = target ?? left.last.map(AliasTarget.version) else {
            try transaction.delete(Schema.nameKey(name), in: schema.alias)
            return
        }
        alias.target = target
        try transaction.put(alias.bytes, for: Schema.nameKey(name), in: schema.alias)
    }

    private func requireUnnamed(
        _ versions: [TaskVersion], exceptBy name: String, in transaction: borrowing WriteTransaction
    ) throws {
        guard let first = versions.first else { return }
        let removed = Set(versions)
        // Most aliases name themselves only; looking for the bytes first spares parsing 100,000 of them.
        let needle = Array("\"\(first.name)@".utf8)
        try transaction.forEach(in: schema.alias) { key, value in
            let key = key.copy
            guard key != Schema.nameKey(name), value.withUnsafeBytes({ $0.contains(needle) }),
                let other = Schema.name(key)
            else { return .next }
            let alias = try Alias(value.copy, name: other)
            if let id = alias.target.versions.first(where: removed.contains) {
                throw PromptStoreError(
                    .inUse,
                    "\(path): \(id) cannot be removed: the alias \"\(alias.name)\" stands for \(alias.target); point it"
                        + " elsewhere or remove it first")
            }
            return .next
        }
    }

    /// Removes the frames that no version names, and forgets cores that no version is bound to.
    ///
    /// The file does not shrink; the space is used again, and `backup` leaves it out. A manifest that cannot be read
    /// keeps the frame that it seems to name, and all of them where it seems to name none; it keeps all cores.
    ///
    /// - Throws: `readOnly`, ….
    @discardableResult
    public func collectGarbage() throws(PromptStoreError) -> CollectedGarbage {
        try writing { transaction in try collectGarbage(in: &transaction) }
    }

    func collectGarbage(in transaction: inout WriteTransaction) throws -> CollectedGarbage {
        var blobs: Set<[UInt8]> = []
        var cores: Set<[UInt8]> = []
        var damaged: [PromptStoreError] = []
        var keepsAll = false
        try transaction.forEach(in: schema.task) { key, value in
            let key = key.copy
            let manifest = try record {
                guard let id = Schema.taskVersion(key) else { throw damagedKey(key, of: "a version") }
                return try PromptManifest(value.copy, of: id)
            }
            switch manifest {
            case .success(let manifest):
                blobs.insert([UInt8](hexadecimal: manifest.blob) ?? [])
                cores.insert(Schema.coreKey(manifest.coreFingerprint))
            case .failure(let error):
                damaged.append(error)
                if let blob = PromptManifest.blobNamed(in: value.copy),
                    try transaction.contains(blob, in: schema.blob)
                {
                    blobs.insert(blob)
                } else {
                    keepsAll = true
                }
            }
            return .next
        }
        var frames: [[UInt8]] = []
        var bytes = 0
        if !keepsAll {
            try transaction.forEach(in: schema.blob) { key, value in
                let key = key.copy
                guard !blobs.contains(key) else { return .next }
                frames.append(key)
                bytes += value.byteCount
                return .next
            }
        }
        var forgotten: [[UInt8]] = []
        if damaged.isEmpty {
            try transaction.forEach(in: schema.meta, prefix: Schema.corePrefix) { key, _ in
                let key = key.copy
                if !cores.contains(key) { forgotten.append(key) }
                return .next
            }
        }
        for key in frames { try transaction.delete(key, in: schema.blob) }
        for key in forgotten { try transaction.delete(key, in: schema.meta) }
        return CollectedGarbage(frames: frames.count, bytes: bytes, damaged: damaged)
    }
}
