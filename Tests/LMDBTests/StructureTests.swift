import Foundation
import LMDB
import TestSupport
import Testing

@Suite("A data file's structure")
struct StructureTests {
    let directory: TemporaryFolder

    init() throws { directory = try TemporaryFolder() }

    private func open(_ mode: Environment.Mode = .readOnly) throws -> Environment {
        try Environment.open(directory.file("store"), mode: mode)
    }

    private func change(_ change: (inout Image) -> Void) throws {
        var image = try Image(directory.file("store"))
        change(&image)
        try image.save()
    }

    @Test("is sound after any writes", arguments: 0..<6)
    func sound(seed: UInt64) throws {
        var noise = SeededGenerator(state: seed)
        let environment = try Environment.open(
            directory.file("store"), mode: .readWrite, initialSize: 1 << 18)
        let databases = try (0..<3).map { try environment.database("values \($0)", createIfMissing: true) }
        for _ in 0..<60 {
            let changes = Int.random(in: 1...80, using: &noise)
            let large = Bool.random(using: &noise)
            try environment.write { transaction in
                for _ in 0..<changes {
                    let database = databases[Int.random(in: 0..<3, using: &noise)]
                    let number = Int.random(in: 0..<400, using: &noise)
                    let key = bytes("\(number)" + String(repeating: "k", count: number))
                    if Int.random(in: 0..<5, using: &noise) < 3 {
                        let size = Int.random(in: 0...(large ? 20_000 : 600), using: &noise)
                        try transaction.put([UInt8](repeating: 7, count: size), for: key, in: database)
                    } else {
                        try transaction.delete(key, in: database)
                    }
                }
            }
            try environment.checkStructure()
        }
        try environment.copy(to: directory.file("copy"))
        try Environment.open(directory.file("copy"), mode: .readOnly).checkStructure()
    }

    @Test("is sound without any key, and when all are gone")
    func empty() throws {
        let environment = try open(.readWrite)
        try environment.checkStructure()
        let database = try environment.database("values", createIfMissing: true)
        try environment.write { try $0.put([1], for: [1], in: database) }
        try environment.write { _ = try $0.delete([1], in: database) }
        try environment.checkStructure()
    }

    @Test("is checked beside writers")
    func besideWriters() throws {
        let environment = try Environment.open(
            directory.file("store"), mode: .readWrite, initialSize: 1 << 18)
        let database = try environment.database("values", createIfMissing: true)
        let failures = failures(threads: 4) { thread in
            for round in 0..<60 {
                if thread == 0 {
                    try environment.checkStructure()
                } else {
                    try environment.write { transaction in
                        let value = [UInt8](repeating: 1, count: 3000 * (round % 4))
                        for key in 0..<20 { try transaction.put(value, for: [UInt8(key)], in: database) }
                    }
                }
            }
            return []
        }
        #expect(failures == [])
    }

    @Test(
        "of a large value is refused when it is changed, removed, checked or copied, and read before",
        arguments: [(0, 8, 5), (10, 2, 0x14), (10, 2, 2), (12, 4, 2), (12, 4, 4), (12, 4, 0x7FFF_FFFF)])
    func largeValue(offset: Int, size: Int, number: Int) throws {
        try directory.makeStore()
        try change { image in
            let page = image.number(image.value(image.largeNode), 8) * Image.pageSize
            image.set(page + offset, size, number)
        }
        let environment = try open(.readWrite)
        let database = try environment.database("values", createIfMissing: false)
        let key = try environment.read { transaction in
            var found: [UInt8]?
            try transaction.forEach(in: database) { key, value in
                guard value.byteCount >= 9000 else { return .next }
                found = key.withUnsafeBytes { Array($0) }
                return .stop
            }
            return try #require(found)
        }
        #expect(try environment.value(of: key, in: database)?.count == 9000)
        let attempts: [() throws -> Void] = [
            { try environment.write { _ = try $0.delete(key, in: database) } },
            { try environment.write { try $0.put([1], for: key, in: database) } },
            { try environment.checkStructure() },
            { try environment.copy(to: directory.file("copy")) },
        ]
        for attempt in attempts {
            #expect(#expect(throws: LMDBError.self) { try attempt() }?.code == .corrupted)
        }
        #expect(!FileManager.default.fileExists(atPath: directory.file("copy")))
        try environment.write { try $0.put([1], for: [1], in: database) }
    }

    @Test("may have a large value that one transaction wrote twice, shorter the second time")
    func shortened() throws {
        let environment = try open(.readWrite)
        let database = try environment.database("values", createIfMissing: true)
        try environment.write { transaction in
            try transaction.put([UInt8](repeating: 1, count: 50_000), for: [1], in: database)
            try transaction.put([UInt8](repeating: 1, count: 5_000), for: [1], in: database)
        }
        try environment.checkStructure()
        #expect(try environment.write { try $0.delete([1], in: database) })
        try environment.checkStructure()
    }

    @Test("never ends the process, however its bits are flipped and its pages overwritten")
    func mutations() throws {
        try directory.makeStore()
        let sound = try Image(directory.file("store"))
        let trees = sound.pages(sound.freeRecord) + sound.pages(sound.mainRecord) + sound.pages(sound.record)
        let file = try #require(FileHandle(forUpdatingAtPath: directory.file("store/data.mdb")))
        var noise = SeededGenerator(state: 3)
        func write(_ bytes: [UInt8], at offset: Int) throws {
            try file.seek(toOffset: UInt64(offset))
            try file.write(contentsOf: bytes)
        }
        var opened = 0
        let cases = TestLength.count(4_000, long: 20_000)
        for _ in 0..<cases {
            var changed: [Int] = []
            for _ in 0..<Int.random(in: 1...3, using: &noise) {
                let page = try #require((trees + [0, 4096]).randomElement(using: &noise))
                var bytes = Array(sound.bytes[page..<page + Image.pageSize])
                switch Int.random(in: 0..<6, using: &noise) {
                case 0:
                    let other =
                        Int.random(in: 0..<sound.bytes.count / Image.pageSize, using: &noise) * Image.pageSize
                    bytes = Array(sound.bytes[other..<other + Image.pageSize])
                case 1:
                    for index in bytes.indices { bytes[index] = UInt8.random(in: 0...255, using: &noise) }
                case 2:
                    bytes[Int.random(in: 0..<bytes.count, using: &noise)] ^=
                        1 << UInt8.random(in: 0..<8, using: &noise)
                case 3:
                    // What meta pages say.
                    let offset = Int.random(in: 0..<152, using: &noise)
                    bytes[offset] = UInt8.random(in: 0...255, using: &noise)
                default:
                    // Headers, offsets and nodes.
                    let nodes = page < 2 * Image.pageSize ? [] : sound.nodes(page).map { $0 - page }
                    let start = nodes.randomElement(using: &noise) ?? 0
                    let offset = Bool.random(using: &noise) ? start + 8 : 16 + 2 * nodes.count
                    bytes[Int.random(in: 0..<max(offset, 1), using: &noise)] ^=
                        1 << UInt8.random(in: 0..<8, using: &noise)
                }
                try write(bytes, at: page)
                changed.append(page)
            }
            do {
                let environment = try open()
                opened += 1
                try environment.checkStructure()
                let database = try environment.database("values", createIfMissing: false)
                try environment.read { transaction in
                    try transaction.forEach(in: database) { key, value in
                        _ = value.withUnsafeBytes { $0.reduce(0) { $0 ^ $1 } }
                        return .next
                    }
                }
            } catch is LMDBError {}
            for page in changed { try write(Array(sound.bytes[page..<page + Image.pageSize]), at: page) }
        }
        // Flips in keys, values and the meta page that is not used do no harm.
        #expect((1..<cases / 2).contains(opened))
        try open().checkStructure()
    }
}
