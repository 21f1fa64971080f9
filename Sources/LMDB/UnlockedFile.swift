import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A data file that is read without LMDB's lock file, which the process may not write to.
///
/// A writer does not see such a reader, and gives pages that the reader's state needs away. But not at once: pages that
/// a commit freed are used by the second commit after it at the earliest, whose number is in the meta page that the
/// state had (LMDB writes the two in turn). So whatever is read is of the state as long as, *after* the reading, the
/// state's meta page is what it was; otherwise it is dropped and read again from the newest state. Pages are read into
/// memory and checked before they are followed: what a writer makes of them in between is never trusted.
final class UnlockedFile: Sendable {
    /// How long a reading is tried while writers overtake it.
    private static let patience = Duration.seconds(1)

    private let path: String
    private let pageSize: Int
    private let descriptor: CInt
    /// Whether keys were found out of order.
    let isDisordered = Atomic(false)

    /// Opens the file of a directory and checks its trees, unless writers leave no time for that.
    init(_ directory: String) throws(LMDBError) {
        path = directory
        pageSize = try DataFile.checkHeader(in: directory)
        descriptor = try DataFile.openForReading(in: directory)
        do throws(LMDBError) { try checkStructure(overflowHeaders: false) } catch {
            guard [.changing, .disordered].contains(error.code) else { throw error }
            isDisordered.store(error.code == .disordered, ordering: .relaxed)
        }
    }

    deinit { close(descriptor) }

    /// Runs `body` with the newest state, and again with a newer one where writers have overtaken it.
    ///
    /// - Throws: `changing` when that happens all the time; `corrupted`; whatever `body` throws.
    func read<Result>(_ body: (Snapshot) throws -> Result) throws -> Result {
        let start = ContinuousClock.now
        while true {
            do {
                return try body(try newest())
            } catch let error as LMDBError where error.code == .changing {
                guard ContinuousClock.now - start < Self.patience else { throw error }
            }
        }
    }

    /// As `Environment.checkStructure()`.
    func checkStructure(overflowHeaders: Bool) throws(LMDBError) {
        try LMDBError.converting(path) {
            try read { snapshot in
                let disorder = try snapshot.checked { reader, meta throws(Damage) in
                    try StructureCheck.run(reader, meta, overflowHeaders: overflowHeaders)
                }
                if let disorder { throw Environment.Finding.disorder(disorder).error(at: path) }
            }
        }
    }

    private func newest() throws(LMDBError) -> Snapshot {
        var damage: Damage?
        // A meta page that is half written is not one; the next moment it is.
        for attempt in 0..<10 {
            if attempt > 0 { usleep(1000) }
            do throws(Damage) {
                let reader = try PageReader(descriptor: descriptor, pageSize: pageSize)
                return Snapshot(path: path, reader: reader, meta: try reader.newestMeta())
            } catch {
                damage = error
            }
        }
        throw LMDBError(damage ?? Damage("it has no meta pages"), path: path)
    }
}

/// One committed state of a file that writers may be changing.
struct Snapshot {
    let path: String
    fileprivate let reader: PageReader
    fileprivate let meta: MetaPage

    /// What `body` reads, which is of this state as a whole.
    ///
    /// - Throws: `changing` when it may not be; `corrupted` for what is damaged.
    func checked<Result>(
        _ body: (PageReader, MetaPage) throws(Damage) -> Result
    ) throws(LMDBError) -> Result {
        let result: Swift.Result<Result, Damage>
        do throws(Damage) { result = .success(try body(reader, meta)) } catch { result = .failure(error) }
        guard isUntouched else {
            throw LMDBError(
                .changing,
                "\(path): it changes faster than it can be read without its lock.mdb; try again, or as a user who"
                    + " may write to that")
        }
        switch result {
        case .success(let result): return result
        case .failure(let damage): throw LMDBError(damage, path: path)
        }
    }

    private var isUntouched: Bool {
        guard let page = try? reader.read(meta.index, count: MetaPage.size) else { return false }
        return MetaPage(page) == meta
    }

    /// The named database's tree.
    func tree(of database: String) throws(LMDBError) -> TreeRecord? {
        try checked { reader, meta throws(Damage) in try reader.tree(of: database, in: meta) }
    }

    /// The number of databases.
    var databaseCount: UInt64 { meta.main.entries }

    /// The names of the databases.
    func databases() throws -> [String] {
        var names: [String] = []
        try forEach(in: meta.main) { key, _, _ in
            names.append(String(decoding: key, as: UTF8.self))
            return .next
        }
        return names
    }

    /// A key's value.
    func value(of key: [UInt8], in database: String) throws(LMDBError) -> [UInt8]? {
        try checked { reader, meta throws(Damage) in
            guard let tree = try reader.tree(of: database, in: meta),
                let (leaf, node) = try reader.find(key, in: tree)
            else { return nil }
            return try reader.value(of: node, in: leaf)
        }
    }

    /// Whether a key is there.
    func contains(_ key: [UInt8], in database: String) throws(LMDBError) -> Bool {
        try checked { reader, meta throws(Damage) in
            guard let tree = try reader.tree(of: database, in: meta) else { return false }
            return try reader.find(key, in: tree) != nil
        }
    }

    /// The bytes of a leaf node's value.
    func value(of node: TreePage.Node, in leaf: TreePage) throws(LMDBError) -> [UInt8] {
        try checked { reader, _ throws(Damage) in try reader.value(of: node, in: leaf) }
    }

    /// Visits the keys of a tree that begin with a prefix and are greater than one, in order; those of a leaf that is
    /// out of order in the leaf's place.
    func forEach(
        in tree: TreeRecord, prefix: [UInt8] = [], after: [UInt8]? = nil,
        _ body: (_ key: [UInt8], TreePage.Node, _ leaf: TreePage) throws -> Iteration
    ) throws {
        guard tree.depth <= PageFormat.greatestDepth else {
            throw LMDBError(Damage("a tree is \(tree.depth) pages deep"), path: path)
        }
        guard tree.depth > 0 else { return }
        let low = after.map { $0.lexicographicallyPrecedes(prefix) ? prefix : $0 } ?? prefix
        var met: Set<UInt64> = []
        _ = try walk(tree.root, levels: Int(tree.depth), from: low, &met) { leaf in
            var nodes = (0..<leaf.count).map { (key: Array(leaf.key($0)), node: leaf.node($0)) }
            let isInOrder = leaf.isInOrder
            if !isInOrder { nodes.sort { $0.key.lexicographicallyPrecedes($1.key) } }
            for (key, node) in nodes where !key.lexicographicallyPrecedes(low) && key != after {
                guard key.starts(with: prefix) else {
                    if isInOrder { return .stop }
                    continue
                }
                guard try body(key, node, leaf) == .next else { return .stop }
            }
            return .next
        }
    }

    private func walk(
        _ number: UInt64, levels: Int, from low: [UInt8], _ met: inout Set<UInt64>,
        _ body: (TreePage) throws -> Iteration
    ) throws -> Iteration {
        // Damaged pages may lead back to themselves.
        guard met.insert(number).inserted else {
            throw LMDBError(Damage(page: number, "is used twice"), path: path)
        }
        let page = try checked { reader, _ throws(Damage) in try reader.treePage(number, levels: levels) }
        guard levels > 1 else { return try body(page) }
        for index in page.last(notAfter: low, isBranch: true)..<page.count {
            let next = try walk(page.node(index).child, levels: levels - 1, from: low, &met, body)
            guard next == .next else { return .stop }
        }
        return .next
    }
}

extension PageReader {
    /// The meta page of the newest state.
    fileprivate func newestMeta() throws(Damage) -> MetaPage {
        let metas = (
            MetaPage(try read(0, count: MetaPage.size)), MetaPage(try read(1, count: MetaPage.size))
        )
        try metas.0.check(at: 0, pageSize: pageSize)
        try metas.1.check(at: 1, pageSize: pageSize)
        return metas.1.transaction > metas.0.transaction ? metas.1 : metas.0
    }
}
