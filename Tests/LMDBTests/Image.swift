import Foundation
import LMDB
import TestSupport

/// The bytes of a `data.mdb` with pages of 4,096 bytes, to look up what to damage.
struct Image {
    static let pageSize = 4096
    var bytes: [UInt8]
    private let path: String

    init(_ directory: String) throws {
        path = directory + "/data.mdb"
        bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    func save() throws { try Data(bytes).write(to: URL(fileURLWithPath: path)) }

    /// Little-endian.
    func number(_ offset: Int, _ size: Int) -> Int {
        (0..<size).reversed().reduce(0) { $0 << 8 | Int(bytes[offset + $1]) }
    }

    mutating func set(_ offset: Int, _ size: Int, _ value: Int) {
        for index in 0..<size { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
    }

    /// Where the newer meta page begins.
    var meta: Int { number(144, 8) > number(Self.pageSize + 144, 8) ? 0 : Self.pageSize }

    /// Where the records of the trees of free pages and of databases begin.
    var freeRecord: Int { meta + 40 }
    var mainRecord: Int { meta + 88 }

    /// Where the root of a record's tree begins.
    func root(_ record: Int) -> Int { number(record + 40, 8) * Self.pageSize }

    /// Where the nodes of a page begin.
    func nodes(_ page: Int) -> [Int] {
        (0..<(number(page + 12, 2) - 16) / 2).map { page + number(page + 16 + 2 * $0, 2) }
    }

    /// Where a leaf node's value begins.
    func value(_ node: Int) -> Int { node + 8 + number(node + 6, 2) }

    /// The record of the only named database.
    var record: Int { value(nodes(root(mainRecord))[0]) }

    /// Where the pages of a tree begin, from its root.
    func pages(_ record: Int) -> [Int] {
        number(record + 6, 2) == 0 ? [] : pages(at: root(record), levels: number(record + 6, 2))
    }

    private func pages(at page: Int, levels: Int) -> [Int] {
        guard levels > 1 else { return [page] }
        return [page] + nodes(page).flatMap { pages(at: number($0, 6) * Self.pageSize, levels: levels - 1) }
    }
}

extension TemporaryFolder {
    /// An environment `store` with one database of a branch and leaves, large values and lists of free pages, closed again.
    func makeStore() throws {
        let environment = try Environment.open(file("store"), mode: .readWrite)
        let database = try environment.database("values", createIfMissing: true)
        for round in 0..<4 {
            try environment.write { transaction in
                for index in 0..<300 where index % 4 >= round {
                    let key = Array("key \(index) ".utf8) + [UInt8](repeating: 0x6B, count: 200)
                    let size = index % 20 == 0 ? 9000 : index % 7 * 10
                    try transaction.put([UInt8](repeating: 1, count: size + round), for: key, in: database)
                }
            }
        }
    }
}
