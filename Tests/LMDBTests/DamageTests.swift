import LMDB
import TestSupport
import Testing

@Suite("A damaged data file")
struct DamageTests {
    let directory: TemporaryFolder

    init() throws { directory = try TemporaryFolder() }

    /// What LMDB would follow out of bounds, or abort at.
    private static let damages: [(String, @Sendable (inout Image) -> Void)] = [
        ("the magic of the other meta page", { $0.set(4096 - $0.meta + 16, 4, 0) }),
        ("the page size of the other meta page", { $0.set(4096 - $0.meta + 40, 4, 8192) }),
        ("the other meta page is newer", { $0.set(4096 - $0.meta + 144, 8, 1 << 40) }),
        (
            "the other meta page has the number of this one's",
            { $0.set(4096 - $0.meta + 144, 8, $0.number($0.meta + 144, 8)) }
        ),
        ("the last page", { $0.set($0.meta + 136, 8, 1 << 40) }),
        ("fewer pages", { $0.set($0.meta + 136, 8, 3) }),
        ("flags of the tree of free pages", { $0.set($0.freeRecord + 4, 2, 8 | 4) }),
        ("flags of the tree of databases", { $0.set($0.mainRecord + 4, 2, 4) }),
        ("flags of a database", { $0.set($0.record + 4, 2, 0x14) }),
        ("a database with keys of one size", { $0.set($0.record, 4, 8) }),
        ("a database too deep", { $0.set($0.record + 6, 2, 33) }),
        ("a database less deep", { $0.set($0.record + 6, 2, 1) }),
        ("a database of no pages with a root", { $0.set($0.record + 6, 2, 0) }),
        ("a database's count of leaves", { $0.set($0.record + 16, 8, 1) }),
        ("a database's count of keys", { $0.set($0.record + 32, 8, 1) }),
        ("a database's root is a meta page", { $0.set($0.record + 40, 8, 1) }),
        ("a database's root beyond the file", { $0.set($0.record + 40, 8, 1 << 30) }),
        ("a database's record that is shorter", { $0.set($0.nodes($0.root($0.mainRecord))[0], 2, 40) }),
        ("a record in a database", { image in image.set(image.leaf + 4, 2, 2) }),
        ("duplicates", { image in image.set(image.leaf + 4, 2, 4) }),
        ("an unknown flag of a node", { image in image.set(image.leaf + 4, 2, 16) }),
        ("a value beyond the page", { image in image.set(image.leaf, 2, 1500) }),
        ("a value of 4 GiB", { image in image.set(image.leaf, 4, 0xFFFF_FFFF) }),
        ("a key beyond the page", { image in image.set(image.leaf + 6, 2, 0xFFFF) }),
        ("a key of no bytes", { image in image.set(image.leaf + 6, 2, 0) }),
        ("a branch's number", { $0.set($0.root($0.record), 8, 3) }),
        ("a branch that is a leaf", { $0.set($0.root($0.record) + 10, 2, 2) }),
        ("a branch that is dirty", { $0.set($0.root($0.record) + 10, 2, 0x11) }),
        ("a leaf with keys of one size", { $0.set($0.lastLeaf + 10, 2, 0x22) }),
        ("a branch with one child", { $0.set($0.root($0.record) + 12, 2, 18) }),
        ("a branch filled beyond the page", { $0.set($0.root($0.record) + 12, 2, 0xFFFE) }),
        ("a branch filled to an odd offset", { $0.set($0.root($0.record) + 12, 2, 21) }),
        ("a branch whose nodes begin beyond the page", { $0.set($0.root($0.record) + 14, 2, 0xFFFE) }),
        (
            "a child that is its parent",
            { image in
                image.set(image.nodes(image.root(image.record))[1], 4, image.root(image.record) / 4096)
            }
        ),
        (
            "a child of another",
            { image in
                let nodes = image.nodes(image.root(image.record))
                image.set(nodes[1], 4, image.number(nodes[0], 4))
            }
        ),
        (
            "a child beyond the file",
            { image in image.set(image.nodes(image.root(image.record))[1] + 4, 2, 1) }
        ),
        ("a node at the end of the page", { $0.set($0.root($0.record) + 18, 2, 4094) }),
        ("a node in the header", { $0.set($0.root($0.record) + 18, 2, 4) }),
        (
            "two nodes at one place",
            { image in
                let page = image.root(image.record)
                image.set(page + 18, 2, image.number(page + 16, 2))
            }
        ),
        (
            "nodes that overlap",
            { image in
                let page = image.root(image.record)
                image.set(page + 18, 2, image.number(page + 18, 2) + 8)
            }
        ),
        ("a large value beyond the file", { image in image.set(image.value(image.largeNode), 8, 1 << 30) }),
        (
            "a large value in a page of a tree",
            { image in
                image.set(image.value(image.largeNode), 8, image.root(image.record) / 4096)
            }
        ),
        ("a list of more free pages than fit", { image in image.set(image.freeList, 8, 1 << 20) }),
        ("free pages out of order", { image in image.set(image.freeList + 16, 8, 1 << 20) }),
        ("a free page beyond the last", { image in image.set(image.freeList + 8, 8, 1 << 20) }),
        (
            "a free page that is used",
            { image in
                image.set(image.freeList, 8, 1)
                image.set(image.freeList + 8, 8, image.root(image.record) / 4096)
            }
        ),
        (
            "pages freed by no transaction",
            { image in
                image.set(image.nodes(image.root(image.freeRecord))[0] + 8, 8, 0)
            }
        ),
    ]

    @Test("is refused when it is opened, naming the file", arguments: 0..<damages.count)
    func damaged(index: Int) throws {
        let (name, damage) = Self.damages[index]
        try directory.makeStore()
        let sound = try Image(directory.file("store"))
        try #require(sound.number(sound.record + 6, 2) >= 2)
        var image = sound
        damage(&image)
        try image.save()
        try #require(image.bytes != sound.bytes)
        for mode in [Environment.Mode.readOnly, .readWrite] {
            let error = #expect(throws: LMDBError.self, "\(name)") {
                try Environment.open(directory.file("store"), mode: mode)
            }
            #expect(
                [.corrupted, .notAnEnvironment].contains(error?.code), "\(name): \(error?.message ?? "")")
            #expect(error?.message.contains(directory.file("store")) == true)
        }
        try sound.save()
        try Environment.open(directory.file("store"), mode: .readOnly).checkStructure()
    }

    @Test("with keys out of order in a leaf is read, the leaf's in order, and not written")
    func disorder() throws {
        try directory.makeStore()
        var image = try Image(directory.file("store"))
        let page = image.lastLeaf
        let offsets = (image.number(page + 16, 2), image.number(page + 18, 2))
        image.set(page + 16, 2, offsets.1)
        image.set(page + 18, 2, offsets.0)
        try image.save()
        let refused = #expect(throws: LMDBError.self) {
            try Environment.open(directory.file("store"), mode: .readWrite)
        }
        #expect(refused?.code == .disordered)
        let environment = try Environment.open(directory.file("store"), mode: .readOnly)
        #expect(environment.isDisordered)
        let database = try environment.database("values", createIfMissing: false)
        let keys = try environment.read { transaction in
            var keys: [[UInt8]] = []
            try transaction.forEach(in: database) { key, _ in
                keys.append(key.withUnsafeBytes { Array($0) })
                return .next
            }
            return keys
        }
        #expect(keys.count == 300)
        #expect(zip(keys, keys.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
        for key in keys { #expect(try environment.value(of: key, in: database) != nil) }
        try environment.copy(to: directory.file("copy"))
        try Environment.open(directory.file("copy"), mode: .readWrite).checkStructure()
    }
}

extension Image {
    /// Where the last leaf of the only database begins.
    fileprivate var lastLeaf: Int { pages(record).last ?? 0 }

    /// The first node of that leaf.
    fileprivate var leaf: Int { nodes(lastLeaf)[0] }

    /// The first node of the only database that has a large value.
    var largeNode: Int {
        pages(record).filter { number($0 + 10, 2) == 2 }.flatMap(nodes).first { number($0 + 4, 2) == 1 } ?? 0
    }

    /// The first list of free pages.
    fileprivate var freeList: Int { value(nodes(root(freeRecord))[0]) }
}
