/// A page of a tree whose nodes all lie in it, packed as LMDB packs them.
///
/// After a header of 16 bytes (page number, 8; pad, 2; flags, 2; lower, 2; upper, 2) come the nodes' offsets, 2 bytes
/// each, up to `lower`. The nodes fill the page from `upper` to its end without a gap, each at an even offset: size
/// of the value (4) and flags (2), in a branch the number of the child (6), then the size of the key (2), the key
/// and, in a leaf, the value.
struct TreePage {
    enum Kind { case branch, leaf }

    /// A node of the page.
    struct Node {
        fileprivate let offset: Int
        fileprivate let keySize: Int
        let flags: UInt16
        /// Bytes of the value, which with the flag `bigData` is not in the page.
        let valueSize: Int
        /// In a branch, the child.
        var child: UInt64 { UInt64(valueSize) | UInt64(flags) << 32 }
        /// Where the value begins in the page, or the number of its first page.
        var valueOffset: Int { offset + PageFormat.nodeHeaderSize + keySize }

        /// At an offset that has 8 bytes after it.
        fileprivate init(_ bytes: RawSpan, at offset: Int) {
            self.offset = offset
            valueSize = Int(bytes.integer(offset, as: UInt32.self))
            flags = bytes.integer(offset + 4)
            keySize = Int(bytes.integer(offset + 6, as: UInt16.self))
        }

        /// Bytes that it takes in the page, `nil` when LMDB makes no such node.
        fileprivate func size(in kind: Kind, pageSize: Int) -> Int? {
            let size = PageFormat.nodeHeaderSize + keySize
            guard kind == .leaf else { return (size + 1) / 2 * 2 }
            switch flags {
            case PageFormat.bigData:
                return (size + MemoryLayout<UInt64>.size + 1) / 2 * 2
            case 0, PageFormat.subDatabase:
                guard size + valueSize <= PageFormat.largestNode(pageSize) else { return nil }
                return (size + valueSize + 1) / 2 * 2
            default:
                return nil
            }
        }
    }

    let number: UInt64
    let bytes: [UInt8]
    let count: Int

    /// Checks a page's header and that its nodes lie in it and do not overlap.
    init(_ bytes: [UInt8], number: UInt64, kind: Kind) throws(Damage) {
        func damage(_ reason: String) -> Damage { Damage(page: number, reason) }
        let span = bytes.span.bytes
        guard span.integer(0, as: UInt64.self) == number else { throw damage("has another number in it") }
        guard span.integer(10, as: UInt16.self) == (kind == .branch ? PageFormat.branch : PageFormat.leaf)
        else { throw damage("is not the \(kind) that belongs there") }
        let lower = Int(span.integer(12, as: UInt16.self))
        let upper = Int(span.integer(14, as: UInt16.self))
        guard lower.isMultiple(of: 2), upper.isMultiple(of: 2),
            PageFormat.headerSize < lower, lower <= upper, upper < bytes.count
        else { throw damage("is filled to \(lower) and from \(upper)") }
        self.number = number
        self.bytes = bytes
        count = (lower - PageFormat.headerSize) / 2
        // LMDB's own search relies on it.
        guard kind == .leaf || count >= 2 else { throw damage("is a branch with one child") }

        // The size of the node that begins at an offset, both halved.
        var sizes = [UInt16](repeating: 0, count: bytes.count / 2)
        for index in 0..<count {
            let offset = Int(span.integer(PageFormat.headerSize + 2 * index, as: UInt16.self))
            guard offset.isMultiple(of: 2), offset >= upper,
                offset + PageFormat.nodeHeaderSize <= bytes.count
            else { throw damage("has node \(index) at \(offset)") }
            let node = Node(span, at: offset)
            guard let size = node.size(in: kind, pageSize: bytes.count), offset + size <= bytes.count,
                sizes[offset / 2] == 0
            else { throw damage("has node \(index) at \(offset), which does not fit there") }
            sizes[offset / 2] = UInt16(size / 2)
        }
        // Steps from node to node, as many as there are nodes, lead to the end only when none overlaps another.
        var end = upper
        for _ in 0..<count {
            guard end < bytes.count, sizes[end / 2] > 0 else { throw damage("has nodes that overlap") }
            end += Int(sizes[end / 2]) * 2
        }
        guard end == bytes.count else { throw damage("has nodes that leave a gap") }
    }

    func node(_ index: Int) -> Node {
        let bytes = bytes.span.bytes
        return Node(bytes, at: Int(bytes.integer(PageFormat.headerSize + 2 * index, as: UInt16.self)))
    }

    func key(_ node: Node) -> ArraySlice<UInt8> {
        let start = node.offset + PageFormat.nodeHeaderSize
        return bytes[start..<start + node.keySize]
    }

    func key(_ index: Int) -> ArraySlice<UInt8> { key(node(index)) }
}
