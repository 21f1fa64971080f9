/// Checks a compiled normalisation table: that no text can lead the library out of it.
///
/// The table is `<UInt32 size><double array of that many bytes><replacements, each ended by a NUL>`. The double
/// array is a trie over UTF-8 bytes (a directed graph, since equal tails are shared) in units of 32 bits. From a
/// unit at index i the byte c leads to the unit at `(i ^ offset) ^ c`, if that one has c for its label; a unit
/// with the leaf bit ends a key, and the unit at `i ^ offset` has the replacement's place.
///
/// Units with the same `i ^ offset`, their *base*, lead to the same units, and a unit can only be reached from one base,
/// `i ^ label`. So bases are the graph's nodes and units its edges, each looked at once, in memory of some bytes for each.
///
/// Source: `normalizer.cc` of SentencePiece, `darts.h` of Darts-clone.
struct CharacterMapCheck {
    /// The library has room for so many keys that begin one another.
    static let maximumNestedKeys = 32
    /// A replacement may be so many times as long as its key. In Unicode's NFKC it is at most 11 times.
    static let maximumExpansion = 16

    /// A key may have this many bytes; in NFKC they have a few dozen. The library follows a key from every byte of a text.
    static let maximumKeyBytes = 255

    private let units: [UInt32]
    /// For each byte of the replacements how many come before the next NUL.
    private let lengths: [Int32]
    private let replacements: ArraySlice<UInt8>
    /// The first and the next of the units that are reached from the same base; -1 for none.
    private var first: [Int32]
    private var next: [Int32]
    /// The bytes that stand in a key behind another.
    private var followers = [Bool](repeating: false, count: 256)

    private init(units: [UInt32], replacements: ArraySlice<UInt8>) {
        self.units = units
        self.replacements = replacements
        var lengths = [Int32](repeating: 0, count: replacements.count)
        for (place, byte) in replacements.enumerated().reversed() where byte != 0 {
            lengths[place] = lengths[place + 1] + 1
        }
        self.lengths = lengths
        first = [Int32](repeating: -1, count: units.count)
        next = first
        // From the last to the first, so that the lists ascend.
        for index in units.indices.reversed() {
            // A label has the highest bit only where the unit is a replacement's place.
            guard units[index] & 1 << 31 == 0 else { continue }
            let base = index ^ Int(units[index] & 0xFF)
            next[index] = first[base]
            first[base] = Int32(index)
        }
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
        let units = [UInt32](unsafeUninitializedCapacity: size / 4) { units, count in
            for index in units.indices { units[index] = word(table, at: start + 4 * index) }
            count = units.count
        }
        let replacements = table[(start + size)...]
        guard replacements.last == 0 else { return ("does not end with a NUL", []) }
        var check = Self(units: units, replacements: replacements)
        let fault = check.fault()
        return (fault, fault == nil ? check.spaces : [])
    }

    private static func word(_ bytes: ArraySlice<UInt8>, at index: Int) -> UInt32 {
        UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]) << 16
            | UInt32(bytes[index + 3]) << 24
    }

    /// The place from which the bytes after this unit are looked up.
    private func base(_ index: Int) -> Int {
        let unit = units[index]
        return index ^ Int((unit >> 10) << ((unit & 1 << 9) >> 6))
    }

    private func isLeaf(_ index: Int) -> Bool { units[index] & 1 << 8 != 0 }

    /// The units that are reached from a base.
    private func children(_ base: Int) -> some Sequence<Int> {
        sequence(state: Int(first[base])) { [next] place -> Int? in
            guard place >= 0 else { return nil }
            defer { place = Int(next[place]) }
            return place
        }
    }

    /// Visits every base that text can reach, those reached by fewer bytes first.
    private mutating func fault() -> String? {
        let root = base(0)
        guard root | 0xFF < units.count else { return "leads out of itself" }
        var order = [Int32(root)]
        /// How many units lead to a base; -1 before it is reached.
        var arrivals = [Int32](repeating: -1, count: units.count)
        arrivals[root] = 0
        var visited = 0
        var length = 0
        while visited < order.count {
            // All bases that are reached by as many bytes.
            let level = visited..<order.count
            visited = level.upperBound
            length += 1
            for place in level {
                for unit in children(Int(order[place])) {
                    if length > 1 { followers[Int(units[unit] & 0xFF)] = true }
                    let target = base(unit)
                    guard target | 0xFF < units.count else { return "leads out of itself" }
                    if isLeaf(unit), let fault = replacementFault(at: target, keyLength: length) {
                        return fault
                    }
                    if arrivals[target] < 0 {
                        arrivals[target] = 0
                        order.append(Int32(target))
                    }
                    arrivals[target] += 1
                }
            }
        }
        return nestingFault(root: root, reached: order.count, arrivals)
    }

    /// See ``check(_:)``; of a table without faults.
    private var spaces: [UInt8] {
        let root = base(0)
        return (0..<0x80).filter { byte in
            guard !followers[Int(byte)] else { return false }
            let index = root ^ Int(byte)
            guard units[index] & 0x8000_00FF == UInt32(byte) else { return byte == 0x20 }
            // The key is this byte alone, and its replacement a space.
            let base = base(index)
            let place = Int(units[base] & 0x7FFF_FFFF)
            return isLeaf(index) && first[base] < 0
                && replacements.dropFirst(place).prefix(2).elementsEqual([0x20, 0])
        }
    }

    private func replacementFault(at base: Int, keyLength: Int) -> String? {
        let place = Int(units[base] & 0x7FFF_FFFF)
        guard place < lengths.count else { return "leads beyond its replacements" }
        guard Int(lengths[place]) <= keyLength * Self.maximumExpansion else {
            return "has a replacement more than \(Self.maximumExpansion) times as long as its key"
        }
        return nil
    }

    /// Follows the bases parents first, which also shows whether the graph has a circle.
    private func nestingFault(root: Int, reached: Int, _ arrivals: [Int32]) -> String? {
        var waiting = arrivals
        /// The most keys that end on a way to a base.
        var nested = [UInt8](repeating: 0, count: units.count)
        nested[root] = isLeaf(0) ? 1 : 0
        /// The bytes of the longest way to a base.
        var longest = nested
        longest[root] = 0
        var ready = waiting[root] == 0 ? [Int32(root)] : []
        var visited = 0
        while let base = ready.popLast().map(Int.init) {
            visited += 1
            for unit in children(base) {
                let target = self.base(unit)
                let count = nested[base] + (isLeaf(unit) ? 1 : 0)
                guard count <= Self.maximumNestedKeys else {
                    return "has more than \(Self.maximumNestedKeys) keys that begin one another"
                }
                nested[target] = max(nested[target], count)
                guard longest[base] < Self.maximumKeyBytes else {
                    return "has a key of more than \(Self.maximumKeyBytes) bytes"
                }
                longest[target] = max(longest[target], longest[base] + 1)
                waiting[target] -= 1
                if waiting[target] == 0 { ready.append(Int32(target)) }
            }
        }
        return visited == reached ? nil : "leads back to itself"
    }
}
