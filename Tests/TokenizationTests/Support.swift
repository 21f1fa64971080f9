import Foundation
import JSON
import TestSupport
import Testing
import Tokenization

/// The files that the tests read.
enum Files {
    static let miniModel = Repository.core + "/spiece.model"

    /// What other implementations compute of some texts.
    static func golden() throws -> JSONValue {
        try json(Repository.file("Tests/TokenizationTests/Golden/golden.json"))
    }

    static func bytes(_ path: String) throws -> [UInt8] {
        try Array(Data(contentsOf: URL(fileURLWithPath: path)))
    }

    static func json(_ path: String) throws -> JSONValue { try JSONValue.parse(bytes(path)) }

    /// The tokenizer of a core that consists of these files.
    static func tokenizer(_ files: [String: [UInt8]]) throws -> any Tokenizer {
        let folder = try TemporaryFolder()
        for (name, bytes) in files { try folder.write(name, bytes) }
        return try TokenizerLoader.load(directory: folder.path)
    }
}

extension JSONValue {
    /// An array of ids.
    var ids: [Int32]? { array?.compactMap { $0.int.flatMap(Int32.init(exactly:)) } }
}

/// Writes small SentencePiece models, sound and unsound ones.
struct ModelBuilder {
    enum Kind: Int { case normal = 1, unknown, control, userDefined, unused, byte }
    enum Algorithm: Int { case unigram = 1, bpe, word, char }

    /// T5's control pieces, then `▁` and the letters a to e.
    var pieces: [(text: [UInt8], kind: Kind)] =
        [("<pad>", .control), ("</s>", .control), ("<unk>", .unknown)].map { (Array($0.utf8), $1) }
        + ["▁", "a", "b", "c", "d", "e"].map { (Array($0.utf8), .normal) }
    var algorithm = Algorithm.unigram
    var addsDummyPrefix = true
    var treatsWhitespaceAsSuffix = false
    var characterMap: [UInt8] = []

    mutating func add(_ text: String, _ kind: Kind) { pieces.append((Array(text.utf8), kind)) }

    /// The file.
    var model: [UInt8] {
        var file: [UInt8] = []
        for (index, piece) in pieces.enumerated() {
            let score = Float(-index).bitPattern
            let message =
                Self.field(1, piece.text) + [0x15]
                + (0..<4).map { UInt8(truncatingIfNeeded: score >> ($0 * 8)) }
                + Self.field(3, piece.kind.rawValue)
            file += Self.field(1, message)
        }
        let suffix = treatsWhitespaceAsSuffix ? Self.field(24, 1) : []
        file += Self.field(2, Self.field(3, algorithm.rawValue) + suffix)
        var normalizer = Self.field(3, addsDummyPrefix ? 1 : 0)
        if !characterMap.isEmpty { normalizer += Self.field(2, characterMap) }
        return file + Self.field(3, normalizer)
    }

    /// A compiled normalisation table: a trie in which every node has a block of 256 units of its own.
    static func characterMap(_ keys: [(key: String, replacement: String)]) -> [UInt8] {
        var replacements: [UInt8] = []
        var units = [UInt32](repeating: 0x8000_0000, count: 256)
        units[0] = 0
        func open(_ index: Int) -> Int {
            let block = units.count
            units += [UInt32](repeating: 0x8000_0000, count: 256)
            units[index] |= UInt32(index ^ block) << 10
            return block
        }
        var blocks: [[UInt8]: Int] = [[]: open(0)]
        for (key, replacement) in keys {
            let key = Array(key.utf8)
            for length in key.indices where blocks[Array(key[...length])] == nil {
                let index = (blocks[Array(key[..<length])] ?? 0) ^ Int(key[length])
                units[index] = UInt32(key[length])
                blocks[Array(key[...length])] = open(index)
            }
            let index = (blocks[Array(key.dropLast())] ?? 0) ^ Int(key.last ?? 0)
            units[index] |= 1 << 8
            units[blocks[key] ?? 0] = 0x8000_0000 | UInt32(replacements.count)
            replacements += Array(replacement.utf8) + [0]
        }
        return ([UInt32(units.count * 4)] + units).flatMap { unit in
            (0..<4).map { UInt8(truncatingIfNeeded: unit >> ($0 * 8)) }
        } + replacements
    }

    static func field(_ number: Int, _ contents: [UInt8]) -> [UInt8] {
        varint(number << 3 | 2) + varint(contents.count) + contents
    }

    static func field(_ number: Int, _ value: Int) -> [UInt8] { varint(number << 3) + varint(value) }

    static func varint(_ value: Int) -> [UInt8] {
        value < 0x80 ? [UInt8(value)] : [UInt8(value & 0x7F | 0x80)] + varint(value >> 7)
    }
}
