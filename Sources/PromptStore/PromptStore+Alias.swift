import LMDB

extension PromptStore {
    /// A name's target and its earlier ones.
    ///
    /// - Throws: `notFound`, `invalidName`.
    public func alias(_ name: String) throws(PromptStoreError) -> Alias {
        try TaskReference.requireName(name)
        let alias: Alias? = try reading { transaction in try self.alias(name, in: transaction) }
        guard let alias else { throw notFound(.name(name)) }
        return alias
    }

    /// Points a name, new or not, to a version or an ensemble. The earlier target is kept for `rollback`; of an alias
    /// that is damaged, nothing is.
    ///
    /// Whether an ensemble's members have the same labels is the caller's to see: the store does not look into
    /// definitions, and versions do not change in between.
    ///
    /// - Throws: `notFound` when a version is not there; `invalidEnsemble` for fewer than two members, a member
    ///   twice, or members of different cores; `invalidName`; `readOnly`, ….
    @discardableResult
    public func setAlias(_ name: String, to target: AliasTarget) throws(PromptStoreError) -> Alias {
        try TaskReference.requireName(name)
        return try writing { transaction in
            try check(target, of: name, in: transaction)
            let known = try record { try self.alias(name, in: transaction) }
            var alias = (try? known.get()) ?? Alias(name: name, target: target, history: [])
            alias.move(to: target)
            try transaction.put(alias.bytes, for: Schema.nameKey(name), in: schema.alias)
            return alias
        }
    }

    /// Points a name back to its previous target. Several calls walk back further.
    ///
    /// Targets that have been removed meanwhile are passed over.
    ///
    /// - Returns: the alias as it is now.
    /// - Throws: `nothingToRollBack`, `notFound`, `readOnly`, ….
    @discardableResult
    public func rollback(_ name: String) throws(PromptStoreError) -> Alias {
        try TaskReference.requireName(name)
        return try writing { transaction in
            guard var alias = try alias(name, in: transaction) else { throw notFound(.name(name)) }
            while let earlier = alias.history.popLast() {
                guard try contains(earlier, in: transaction) else { continue }
                alias.target = earlier
                try transaction.put(alias.bytes, for: Schema.nameKey(name), in: schema.alias)
                return alias
            }
            throw PromptStoreError(
                .nothingToRollBack,
                "\(path): \"\(name)\" stands for \(alias.target) and has no earlier target that is still there"
            )
        }
    }

    private func check(
        _ target: AliasTarget, of name: String, in transaction: borrowing WriteTransaction
    ) throws {
        var manifests: [PromptManifest] = []
        for id in target.versions {
            guard let manifest = try manifest(id, in: transaction) else {
                throw PromptStoreError(
                    .notFound, "\(path): alias \"\(name)\": there is no task \(id); list shows what there is")
            }
            manifests.append(manifest)
        }
        guard case .ensemble(let members, _) = target else { return }
        func refusal(_ reason: String) -> PromptStoreError {
            PromptStoreError(.invalidEnsemble, "ensemble \"\(name)\": \(reason)")
        }
        guard (2...Alias.maximumMembers).contains(members.count) else {
            throw refusal("an ensemble has 2 to \(Alias.maximumMembers) members, not \(members.count)")
        }
        guard Set(members).count == members.count else { throw refusal("a member is named twice") }
        if let other = manifests.first(where: { $0.coreFingerprint != manifests[0].coreFingerprint }) {
            throw refusal(
                "\(manifests[0].id) is bound to core \(manifests[0].coreFingerprint) and \(other.id) to"
                    + " \(other.coreFingerprint); all members need the same core")
        }
    }
}
