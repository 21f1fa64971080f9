/// Walks the trees of one committed state of a data file and throws at the first thing that LMDB did not write.
///
/// LMDB follows page numbers, offsets and sizes without looking: damaged ones make it read or write outside of its
/// memory, or end the process with an assertion. Whatever this lets pass LMDB can read, change and copy. It reads
/// the pages of the trees and the lists of free pages; of the pages that hold large values it reads the headers,
/// when asked. Keys of named databases that are out of order within a leaf are no danger, and are what it returns:
/// LMDB would not find them, nor some of their neighbours. Keys are never longer than 511 bytes, trees never deeper than 32, and no page is met twice, so the
/// walk ends.
struct StructureCheck {
    /// Whose tree it is. LMDB keeps free pages in a tree with transaction numbers as keys, and the records of the
    /// named databases' trees in the main tree.
    private enum Role { case free, main, named }

    /// What a tree was found to have.
    private struct Found {
        var branchPages: UInt64 = 0
        var leafPages: UInt64 = 0
        var overflowPages: UInt64 = 0
        var entries: UInt64 = 0
        /// The first keys out of order.
        var disorder: Damage?
    }

    private let reader: PageReader
    private let meta: MetaPage
    /// Whether the headers of the pages with large values are read. Only then are the counts of these known.
    private let readsOverflowHeaders: Bool
    private let met: PageSet

    /// - Returns: the first keys that are out of order, if there are any.
    static func run(
        _ reader: PageReader, _ meta: MetaPage, overflowHeaders: Bool
    ) throws(Damage) -> Damage? {
        let check = StructureCheck(
            reader: reader, meta: meta, readsOverflowHeaders: overflowHeaders,
            met: try PageSet(count: min(meta.lastPage + 1, reader.pageCount)))
        guard check.met.insert(0, count: 2) else { throw Damage("it has no meta pages") }
        _ = try check.tree(meta.free, .free, "the free pages")
        return try check.tree(meta.main, .main, "the databases")
    }

    private func tree(_ record: TreeRecord, _ role: Role, _ name: String) throws(Damage) -> Damage? {
        guard record.flags == (role == .free ? PageFormat.integerKeys : 0) else {
            throw Damage("the tree of \(name) has the flags \(record.flags)")
        }
        guard role == .free || record.pad == 0 else {
            throw Damage("the tree of \(name) has keys of one size")
        }
        var found = Found()
        if record.depth == 0 {
            guard record.root == PageFormat.noPage else {
                throw Damage("the tree of \(name) is empty and has a root")
            }
        } else {
            guard record.depth <= PageFormat.greatestDepth else {
                throw Damage("the tree of \(name) is \(record.depth) pages deep")
            }
            // The keys of free pages are the transactions that freed them.
            let keys = role == .free ? (Self.key(1), Self.key(meta.transaction &+ 1)) : (nil, nil)
            try walk(record.root, levels: Int(record.depth), role, keys.0, keys.1, &found)
        }
        let countsOverflow = readsOverflowHeaders || role == .free
        guard found.branchPages == record.branchPages, found.leafPages == record.leafPages,
            found.entries == record.entries,
            countsOverflow
                ? found.overflowPages == record.overflowPages : found.overflowPages <= record.overflowPages
        else { throw Damage("the tree of \(name) has other numbers of pages and keys than its record says") }
        return found.disorder
    }

    /// A page and all under it, whose keys are not less than `low` and less than `high`.
    private func walk(
        _ number: UInt64, levels: Int, _ role: Role, _ low: ArraySlice<UInt8>?, _ high: ArraySlice<UInt8>?,
        _ found: inout Found
    ) throws(Damage) {
        guard met.insert(number) else {
            throw Damage(page: number, "is used twice or lies beyond the end of the file")
        }
        let page = try TreePage(try reader.read(number), number: number, kind: levels > 1 ? .branch : .leaf)
        let disorder = try checkKeys(page, isBranch: levels > 1, role, low, high)
        found.disorder = found.disorder ?? disorder
        guard levels > 1 else {
            found.leafPages += 1
            found.entries += UInt64(page.count)
            for index in 0..<page.count { try value(index, of: page, role, &found) }
            return
        }
        found.branchPages += 1
        for index in 0..<page.count {
            try walk(
                page.node(index).child, levels: levels - 1, role,
                // The first key of a branch means nothing.
                index == 0 ? low : page.key(index),
                index + 1 < page.count ? page.key(index + 1) : high, &found)
        }
    }

    private func checkKeys(
        _ page: TreePage, isBranch: Bool, _ role: Role, _ low: ArraySlice<UInt8>?, _ high: ArraySlice<UInt8>?
    ) throws(Damage) -> Damage? {
        var disorder: Damage?
        func report(_ damage: Damage) throws(Damage) {
            guard role == .named, !isBranch else { throw damage }
            disorder = disorder ?? damage
        }
        var previous = low
        for index in (isBranch ? 1 : 0)..<page.count {
            let key = page.key(index)
            let size =
                role == .free
                ? MemoryLayout<UInt64>.size...MemoryLayout<UInt64>.size : 1...PageFormat.longestKey
            guard size.contains(key.count) else {
                throw Damage(page: page.number, "has key \(index) with \(key.count) bytes")
            }
            // The first of a leaf may equal the branch's.
            let inOrder =
                previous.map { previous in
                    index == 0 ? !precedes(key, previous, role) : precedes(previous, key, role)
                } ?? true
            if !inOrder { try report(Damage(page: page.number, "has key \(index) out of order")) }
            previous = key
        }
        if let previous, let high, !precedes(previous, high, role) {
            try report(Damage(page: page.number, "has keys out of order"))
        }
        if isBranch, page.key(0).count > PageFormat.longestKey {
            throw Damage(page: page.number, "has key 0 with \(page.key(0).count) bytes")
        }
        return disorder
    }

    private static func key(_ number: UInt64) -> ArraySlice<UInt8> {
        withUnsafeBytes(of: number) { ArraySlice($0) }
    }

    private func precedes(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>, _ role: Role) -> Bool {
        role == .free
            ? left.span.bytes.integer(0, as: UInt64.self) < right.span.bytes.integer(0, as: UInt64.self)
            : left.lexicographicallyPrecedes(right)
    }

    private func value(_ index: Int, of page: TreePage, _ role: Role, _ found: inout Found) throws(Damage) {
        let node = page.node(index)
        switch node.flags {
        case PageFormat.bigData:
            let first: UInt64 = page.bytes.span.bytes.integer(node.valueOffset)
            let count = try overflow(first, size: node.valueSize, role)
            found.overflowPages += count
            if role == .free { try freePages(first, size: node.valueSize) }
        case PageFormat.subDatabase:
            guard role == .main, node.valueSize == TreeRecord.size else {
                throw Damage(page: page.number, "has node \(index), which is no database's record")
            }
            let disorder = try tree(
                TreeRecord(page.bytes, at: node.valueOffset), .named,
                "\"\(String(decoding: page.key(node), as: UTF8.self))\"")
            found.disorder = found.disorder ?? disorder
        default:
            guard role == .free else { return }
            var list = try FreeList(size: node.valueSize)
            try list.read(page.bytes[node.valueOffset..<node.valueOffset + node.valueSize], free)
        }
    }

    /// The pages of a large value; returns how many there are, at least those that the value needs.
    private func overflow(_ first: UInt64, size: Int, _ role: Role) throws(Damage) -> UInt64 {
        var count = PageFormat.overflowPages(size, reader.pageSize)
        if readsOverflowHeaders || role == .free {
            let header = try OverflowHeader(reader, first)
            // LMDB shortens a value in place when one transaction writes it twice.
            guard header.count >= count else {
                throw Damage(page: first, "begins too few pages for its value")
            }
            count = header.count
        }
        guard met.insert(first, count: count) else {
            throw Damage(page: first, "begins pages that are used twice or lie beyond the end of the file")
        }
        return count
    }

    private func freePages(_ first: UInt64, size: Int) throws(Damage) {
        var list = try FreeList(size: size)
        let chunk = 1 << 16
        for start in stride(from: 0, to: size, by: chunk) {
            let bytes = try reader.read(
                first, at: PageFormat.headerSize + start, count: min(chunk, size - start))
            try list.read(bytes[...], free)
        }
    }

    private func free(_ page: UInt64) throws(Damage) {
        // A commit may leave free pages beyond the end of the file.
        let beyond = page >= reader.pageCount && page <= meta.lastPage
        guard beyond || met.insert(page) else { throw Damage(page: page, "is free, used or listed twice") }
    }
}

/// The list of free pages that one record holds: their number, then the pages in falling order, 8 bytes each. The
/// rest of the record means nothing.
private struct FreeList {
    private var count: UInt64?
    private let room: UInt64
    private var last = UInt64.max

    init(size: Int) throws(Damage) {
        guard size >= 8, size.isMultiple(of: 8) else {
            throw Damage("a list of free pages has \(size) bytes")
        }
        room = UInt64(size / 8 - 1)
    }

    /// Reads on, in pieces of whole numbers.
    mutating func read(_ bytes: ArraySlice<UInt8>, _ found: (UInt64) throws(Damage) -> Void) throws(Damage) {
        for offset in stride(from: 0, to: bytes.count, by: 8) {
            let number: UInt64 = bytes.span.bytes.integer(offset)
            guard let left = count else {
                guard number <= room else {
                    throw Damage("a list of \(number) free pages has no room for them")
                }
                count = number
                continue
            }
            guard left > 0 else { return }
            guard number < last else { throw Damage("a list of free pages is out of order") }
            try found(number)
            last = number
            count = left - 1
        }
    }
}
