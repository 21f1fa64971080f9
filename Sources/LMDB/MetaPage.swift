/// Numbers of LMDB 0.9's file format. Everything is in the machine's byte order.
enum PageFormat {
    static let pageSizes = [4096, 8192, 16384, 32768]
    static let headerSize = 16
    static let nodeHeaderSize = 8
    static let longestKey = 511
    static let greatestDepth = 32
    /// The root of an empty tree.
    static let noPage = UInt64.max

    // Flags of pages.
    static let branch: UInt16 = 1
    static let leaf: UInt16 = 2
    static let overflow: UInt16 = 4
    static let meta: UInt16 = 8

    // Flags of nodes in leaves.
    static let bigData: UInt16 = 1
    static let subDatabase: UInt16 = 2

    /// The one flag that a tree's record may have, and only that of the free pages.
    static let integerKeys: UInt16 = 8

    /// The size to which a node may grow before its value goes to pages of its own, so that a leaf holds two.
    static func largestNode(_ pageSize: Int) -> Int { (pageSize - headerSize) / 2 / 2 * 2 - 2 }

    /// No value shorter than this has pages of its own, whatever the page size and the key.
    static let leastLargeValue = largestNode(pageSizes[0]) - nodeHeaderSize - longestKey

    /// The pages that a value of its own pages takes.
    static func overflowPages(_ size: Int, _ pageSize: Int) -> UInt64 {
        UInt64((headerSize - 1 + size) / pageSize + 1)
    }
}

extension RawSpan {
    /// The integer at an offset; traps outside of the span.
    func integer<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
        unsafeLoadUnaligned(fromByteOffset: offset, as: type)
    }
}

/// What LMDB keeps of a tree: in a meta page, or as the value of a named database's record.
struct TreeRecord: Equatable {
    static let size = 48

    let pad: UInt32
    let flags: UInt16
    let depth: UInt16
    let branchPages: UInt64
    let leafPages: UInt64
    let overflowPages: UInt64
    let entries: UInt64
    let root: UInt64

    /// From bytes that have at least 48 after the offset.
    init(_ bytes: [UInt8], at offset: Int) {
        let bytes = bytes.span.bytes
        pad = bytes.integer(offset)
        flags = bytes.integer(offset + 4)
        depth = bytes.integer(offset + 6)
        branchPages = bytes.integer(offset + 8)
        leafPages = bytes.integer(offset + 16)
        overflowPages = bytes.integer(offset + 24)
        entries = bytes.integer(offset + 32)
        root = bytes.integer(offset + 40)
    }
}

/// One of the two pages at the beginning of a data file, which commits write in turn.
struct MetaPage: Equatable {
    static let size = 152

    private let number: UInt64
    private let flags: UInt16
    private let magic: UInt32
    private let version: UInt32
    /// The tree of free pages.
    let free: TreeRecord
    /// The tree of everything else.
    let main: TreeRecord
    let lastPage: UInt64
    /// The number of the transaction that wrote it.
    let transaction: UInt64

    /// From a page's first 152 bytes.
    init(_ page: [UInt8]) {
        let bytes = page.span.bytes
        number = bytes.integer(0)
        flags = bytes.integer(10)
        magic = bytes.integer(16)
        version = bytes.integer(20)
        free = TreeRecord(page, at: 40)
        main = TreeRecord(page, at: 88)
        lastPage = bytes.integer(136)
        transaction = bytes.integer(144)
    }

    /// The page size is where the tree of free pages has its pad.
    var pageSize: Int { Int(free.pad) }

    /// Whether the pages that it says there are could be mapped. Of one whose page size is right.
    var fitsAddresses: Bool { lastPage < (1 << 47) / UInt64(free.pad) }

    /// Which of the two it is.
    var index: UInt64 { number }

    var isLMDB: Bool { magic == 0xBEEF_C0DE }
    var hasKnownVersion: Bool { version == 1 }

    func check(at index: UInt64, pageSize: Int) throws(Damage) {
        guard number == index, flags == PageFormat.meta, isLMDB, hasKnownVersion else {
            throw Damage(page: index, "is no meta page")
        }
        guard self.pageSize == pageSize else {
            throw Damage(page: index, "says that pages have \(self.pageSize) bytes, not \(pageSize)")
        }
        guard lastPage >= 1, fitsAddresses else {
            throw Damage(page: index, "says that page \(lastPage) is the last")
        }
        // Transactions write the pages in turn. A new environment has 0 in both.
        guard transaction == 0 || transaction & 1 == index else {
            throw Damage(page: index, "has transaction \(transaction), which is the other meta page's")
        }
    }
}
