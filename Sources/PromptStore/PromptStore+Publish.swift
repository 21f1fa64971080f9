import Basics
import JSON
import LMDB

#if canImport(Glibc)
    import Glibc
#endif

/// What is published as a task's new version.
public struct Publication: Sendable {
    /// The task's name, `[a-z0-9][a-z0-9._-]{0,127}`.
    public var name: String
    /// The prompt.
    public var frame: PromptFrame
    /// The fingerprint of the core that the prompt is for: a SHA-256 in hexadecimal.
    public var coreFingerprint: String
    /// The hash of the core's tokenizer, when known: a SHA-256 in hexadecimal.
    public var tokenizerHash: String?
    /// The task's definition. The store keeps it without looking into it, its keys sorted.
    public var definition: JSONObject
    /// Where the prompt comes from. The store keeps it without looking into it, its keys sorted.
    public var provenance: JSONObject

    /// What is published as a task's new version.
    public init(
        name: String, frame: PromptFrame, coreFingerprint: String, tokenizerHash: String? = nil,
        definition: JSONObject, provenance: JSONObject = JSONObject()
    ) {
        self.name = name
        self.frame = frame
        self.coreFingerprint = coreFingerprint
        self.tokenizerHash = tokenizerHash
        self.definition = definition
        self.provenance = provenance
    }

    func manifest(version: Int, createdAt: Int) -> PromptManifest {
        PromptManifest(
            id: TaskVersion(name: name, version: version), blob: frame.hash, rows: frame.rows,
            width: frame.width, elementType: frame.elementType, coreFingerprint: coreFingerprint,
            tokenizerHash: tokenizerHash, definition: definition, provenance: provenance,
            createdAt: createdAt)
    }
}

/// The version that a publication became.
public struct Published: Sendable, Equatable {
    /// Name and version.
    public let id: TaskVersion
    /// `false` when the task stood at a version that says the same already, and nothing was written.
    public let isNew: Bool
}

extension PromptStore {
    /// Publishes a new version of a task and points the task's name to it, in one transaction.
    ///
    /// When the name stands for one of the task's own versions already and that says the same (prompt, core,
    /// tokenizer, definition and provenance), that version is returned and nothing is written, unless its stored prompt
    /// is damaged, which is mended.
    ///
    /// - Throws: `invalidName`, `invalidManifest`, `readOnly`, `diskFull`, `storeFull`, …; nothing is changed then.
    @discardableResult
    public func publish(_ publication: Publication) throws(PromptStoreError) -> Published {
        let published = try publish(batch: [publication])
        return published[0]
    }

    /// Publishes many in one transaction: all of them or none.
    ///
    /// - Returns: what each became, in order. A name that occurs twice gets two versions.
    /// - Throws: as `publish(_:)`.
    public func publish(batch: [Publication]) throws(PromptStoreError) -> [Published] {
        for publication in batch { try Self.check(publication) }
        let now = Int(time(nil))
        return try writing { transaction in
            var published: [Published] = []
            published.reserveCapacity(batch.count)
            for publication in batch {
                published.append(try publish(publication, at: now, in: &transaction))
            }
            return published
        }
    }

    private static func check(_ publication: Publication) throws(PromptStoreError) {
        try TaskReference.requireName(publication.name)
        func refusal(_ reason: String) -> PromptStoreError {
            PromptStoreError(.invalidManifest, "task \(publication.name.quoted): \(reason)")
        }
        guard SHA256.isHexadecimal(publication.coreFingerprint) else {
            throw refusal(
                "the core fingerprint \(publication.coreFingerprint.quoted) is not a SHA-256 in 64 lower-case"
                    + " hexadecimal digits")
        }
        if let hash = publication.tokenizerHash, !SHA256.isHexadecimal(hash) {
            throw refusal(
                "the tokenizer hash \(hash.quoted) is not a SHA-256 in 64 lower-case hexadecimal digits"
            )
        }
        // What cannot be read back must not be written: a definition may be nested too deeply.
        let manifest = publication.manifest(version: Int.max, createdAt: Int.max)
        let bytes = manifest.bytes
        guard bytes.count <= PromptManifest.maximumSize else {
            throw refusal(
                "definition and provenance take \(bytes.count) bytes; at most \(PromptManifest.maximumSize) are kept"
            )
        }
        do throws(PromptStoreError) {
            _ = try PromptManifest(bytes, of: manifest.id)
        } catch {
            throw refusal("definition or provenance cannot be kept: \(error.message)")
        }
    }

    private func publish(
        _ publication: Publication, at time: Int, in transaction: inout WriteTransaction
    ) throws -> Published {
        let name = publication.name
        var alias = try alias(name, in: transaction)
        if case .version(let current)? = alias?.target, current.name == name,
            let bytes = try transaction.value(of: Schema.taskKey(current), in: schema.task),
            let known = try? PromptManifest(bytes, of: current),
            publication.manifest(version: current.version, createdAt: known.createdAt).bytes == bytes
        {
            try put(publication.frame, in: &transaction)
            return Published(id: current, isNew: false)
        }

        let last = try transaction.value(of: Schema.nameKey(name), in: schema.version)
        guard let previous = last.map(Schema.number) ?? 0, previous < Int.max,
            try !hasVersion(after: TaskVersion(name: name, version: previous), in: transaction)
        else {
            // A number that is too low would give a version a second time.
            throw PromptStoreError(
                .corrupted,
                "\(path): the last version given to \"\(name)\" is damaged; publish under another name or restore a"
                    + " backup")
        }
        let manifest = publication.manifest(version: previous + 1, createdAt: time)
        let target = AliasTarget.version(manifest.id)
        if alias == nil { alias = Alias(name: name, target: target, history: []) }
        alias?.move(to: target)

        try put(publication.frame, in: &transaction)
        try transaction.put(manifest.bytes, for: Schema.taskKey(manifest.id), in: schema.task)
        try transaction.put(
            Schema.number(manifest.version), for: Schema.nameKey(name), in: schema.version)
        if let alias { try transaction.put(alias.bytes, for: Schema.nameKey(name), in: schema.alias) }
        let core = Schema.coreKey(manifest.coreFingerprint)
        if try !transaction.contains(core, in: schema.meta) {
            try transaction.put([], for: core, in: schema.meta)
        }
        return Published(id: manifest.id, isNew: true)
    }

    /// Puts a frame where it is missing, or in the place of one that is damaged.
    private func put(_ frame: PromptFrame, in transaction: inout WriteTransaction) throws {
        guard let key = [UInt8](hexadecimal: frame.hash) else { return }
        let isThere = try transaction.withValue(of: key, in: schema.blob) { stored in
            stored.withUnsafeBytes { $0.elementsEqual(frame.bytes) }
        }
        if isThere != true { try transaction.put(frame.bytes, for: key, in: schema.blob) }
    }
}
