/// Checks a compiled normalisation table: that no text can lead the library out of it.
///
/// The table is `<UInt32 size><double array of that many bytes><replacements, each ended by a NUL>`. The double
/// array is a trie over UTF-8 bytes (a directed graph, since equal tails are shared) in units of 32 bits. From a
/// unit at index i the byte c leads to the unit at `(i ^ offset) ^ c`, if that one has c for its label; a unit
/// with the leaf bit ends a key, and the unit at `i ^ offset` has the replacement's place.
///
/// Source: `normalizer.cc` of SentencePiece, `darts.h` of Darts-clone.
struct CharacterMapCheck {
    /// The library has room for so many keys that begin one another.
    static let maximumNestedKeys = 32
    /// A replacement may be so many times as long as its key. In Unicode's NFKC it is at most 11 times.
    static let maximumExpansion = 16

    private let units: [UInt32]
    private let replacements: ArraySlice<UInt8>
    /// The bytes that stand in a key behind another.
    private var followers: Set<UInt8> = []

    private init(units: [UInt32], replacements: ArraySlice<UInt8>) {
        self.units = units
        self.replacements = replacements
    }

    /// What is wrong with a table, as the end of a sentence, `nil` for a sound one; and the ASCII bytes that are
    /// always a space by themselves once the table has been applied: those that it leaves or makes one, and that
    /// are in none of its keys with other bytes.
    static func check(_ table: ArraySlice<UInt8>) -> (fault: String?, spaces: [UInt8]) {
        guard table.count > 4 else { return ("is too short", []) }
        let size = Int(word(table, at: table.startIndex))
        // Darts-clone lays its arrays out in blocks of 256 units.
        guard size > 0, size % 1024 == 0, size < table.count - 4 else { return ("has a wrong size", []) }
        let start = table.startIndex + 4
        let units = stride(from: start, to: start + size, by: 4).map { word(table, at: $0) }
        let replacements = table[(start + size)...]
        guard replacements.last == 0 else { return ("does not end with a NUL", []) }
        var check = Self(units: units, replacements: replacements)
        let fault = check.fault()
        return (fault, fault == nil ? check.spaces : [])
    }

    private static func word(_ bytes: ArraySlice<UInt8>, at index: Int) -> UInt32 {
        (0..<4).reduce(0) { $0 | UInt32(bytes[index + $1]) << UInt32(8 * $1) }
    }

    /// The place from which the bytes after this unit are looked up.
    private func base(_ index: Int) -> Int {
        let unit = units[index]
        return index ^ Int((unit >> 10) << ((unit & 1 << 9) >> 6))
    }

    private func isLeaf(_ index: Int) -> Bool { units[index] & 1 << 8 != 0 }

    /// Visits every unit that text can reach, those reached by fewer bytes first.
    private mutating func fault() -> String? {
        var order = [0]
        var depths = [0]
        var children: [[Int]] = []
        var parentCounts = [Int32](repeating: -1, count: units.count)
        parentCounts[0] = 0
        while children.count < order.count {
            let (index, depth) = (order[children.count], depths[children.count])
            let base = base(index)
            guard base | 0xFF < units.count else { return "leads out of itself" }
            if depth > 0, isLeaf(index), let fault = replacementFault(at: base, keyLength: depth) {
                return fault
            }
            // A label has the highest bit only where the unit is a replacement's place.
            let next = (0...0xFF).filter { units[base ^ $0] & 0x8000_00FF == UInt32($0) }.map { base ^ $0 }
            children.append(next)
            if depth > 0 { for child in next { followers.insert(UInt8(truncatingIfNeeded: child ^ base)) } }
            for child in next {
                if parentCounts[child] < 0 {
                    parentCounts[child] = 0
                    order.append(child)
                    depths.append(depth + 1)
                }
                parentCounts[child] += 1
            }
        }
        return nestingFault(order: order, children: children, parentCounts: parentCounts)
    }

    /// See ``check(_:)``; of a table without faults.
    private var spaces: [UInt8] {
        let root = base(0)
        return (0..<0x80).filter { byte in
            guard !followers.contains(byte) else { return false }
            let index = root ^ Int(byte)
            guard units[index] & 0x8000_00FF == UInt32(byte) else { return byte == 0x20 }
            // The key is this byte alone, and its replacement a space.
            let base = base(index)
            let isWhole = !(0...0xFF).contains { units[base ^ $0] & 0x8000_00FF == UInt32($0) }
            let place = Int(units[base] & 0x7FFF_FFFF)
            return isLeaf(index) && isWhole
                && replacements.dropFirst(place).prefix(2).elementsEqual([0x20, 0])
        }
    }

    private func replacementFault(at base: Int, keyLength: Int) -> String? {
        let place = Int(units[base] & 0x7FFF_FFFF)
        guard place < replacements.count else { return "leads beyond its replacements" }
        let limit = keyLength * Self.maximumExpansion
        guard replacements.dropFirst(place).prefix(limit + 1).contains(0) else {
            return "has a replacement more than \(Self.maximumExpansion) times as long as its key"
        }
        return nil
    }

    /// Follows the units parents first, which also shows whether the graph has a circle.
    private func nestingFault(order: [Int], children: [[Int]], parentCounts: [Int32]) -> String? {
        let rank = Dictionary(uniqueKeysWithValues: order.enumerated().map { ($1, $0) })
        var waiting = parentCounts
        var nested = [Int](repeating: 0, count: order.count)
        var ready = waiting[0] == 0 ? [0] : []
        var visited = 0
        while let index = ready.popLast(), let own = rank[index] {
            visited += 1
            if isLeaf(index) { nested[own] += 1 }
            guard nested[own] <= Self.maximumNestedKeys else {
                return "has more than \(Self.maximumNestedKeys) keys that begin one another"
            }
            for child in children[own] {
                if let other = rank[child] { nested[other] = max(nested[other], nested[own]) }
                waiting[child] -= 1
                if waiting[child] == 0 { ready.append(child) }
            }
        }
        return visited == order.count ? nil : "leads back to itself"
    }
}
