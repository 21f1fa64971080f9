/// ByT5's vocabulary: the bytes of UTF-8 behind three control ids (`<pad>` 0, `</s>` 1, `<unk>` 2), then the
/// sentinels.
///
/// `<extra_id_0>` is 259, `<extra_id_124>` 383, as in transformers' `ByT5Tokenizer`. Bytes are taken as they
/// are, valid UTF-8 or not, NUL included. Whitespace beside a sentinel stays.
///
/// Source: Xue et al., "ByT5: Towards a token-free future with pre-trained byte-to-byte models", 2021.
public struct ByT5Tokenizer: Tokenizer {
    /// The id of byte 0.
    static let byteOffset: Int32 = 3
    /// The first id behind the bytes.
    static let firstSentinel: Int32 = 256 + byteOffset
    /// How many sentinels ByT5's own checkpoints have.
    static let defaultSentinelCount = 125

    private let sentinels: Sentinels

    /// ByT5 as its checkpoints have it: 125 sentinels.
    public init() {
        self.init(sentinels: Self.sentinels(count: Self.defaultSentinelCount))
    }

    /// ByT5 with the sentinels that a core's configuration names.
    ///
    /// - Throws: ``TokenizerError`` when a sentinel has the id of a byte.
    init(_ configuration: TokenizerConfiguration) throws(TokenizerError) {
        switch configuration.sentinels {
        case .unsaid: self.init()
        case .count(let count): self.init(sentinels: Self.sentinels(count: count))
        case .listed(let sentinels):
            if let sentinel = sentinels.first(where: { $0.id < Self.firstSentinel }) {
                throw TokenizerError(
                    "\(configuration.file): added_tokens_decoder gives \(sentinel.text) the id \(sentinel.id), "
                        + "which ByT5 has for a byte or a control piece")
            }
            self.init(sentinels: Sentinels(sentinels))
        }
    }

    private init(sentinels: Sentinels) { self.sentinels = sentinels }

    private static func sentinels(count: Int) -> Sentinels {
        Sentinels(
            (0..<count).map {
                .init(number: $0, id: firstSentinel + Int32($0), stripsLeft: false, stripsRight: false)
            })
    }

    /// 384 with the usual sentinels.
    public var pieceCount: Int {
        Int(sentinels.all.map(\.id).max().map { $0 + 1 } ?? Self.firstSentinel)
    }

    /// 125 unless the core's configuration says otherwise.
    public var sentinelCount: Int { sentinels.count }

    /// 1.
    public var endOfSequence: Int32 { 1 }

    /// The tokenizer's name, and the id of every sentinel.
    public var identityBytes: [UInt8] { Array("ByT5Tokenizer".utf8) + sentinels.identityBytes }

    /// One id a byte, one a sentinel.
    public func encodePieces(bytes: some Collection<UInt8>) -> [Int32] {
        bytes.withContiguousBytes { bytes in
            var ids: [Int32] = []
            ids.reserveCapacity(bytes.count)
            for segment in sentinels.segments(bytes) {
                switch segment {
                case .text(let range):
                    ids.append(contentsOf: bytes[range].lazy.map { Int32($0) + Self.byteOffset })
                case .sentinel(let id): ids.append(id)
                }
            }
            return ids
        }
    }

    /// The first ids of text: always those of the whole text.
    public func encode(bytes: some Collection<UInt8>, limit: Int) -> (ids: [Int32], isTruncated: Bool) {
        bytes.withContiguousBytes { bytes in
            let limit = max(1, limit)
            // An id stands for one byte or for a sentinel, so `limit` ids lie before a sentinel cut at the end.
            // A sentinel that swallows white space could do so without bounds.
            let (length, overflows) = limit.multipliedReportingOverflow(by: Sentinels.maximumBytes)
            guard !overflows, bytes.count - Sentinels.maximumBytes > length, !sentinels.swallowWhitespace
            else { return ended(encodePieces(bytes: bytes), limit: limit) }
            let beginning = bytes[..<(length + Sentinels.maximumBytes)]
            return ended(encodePieces(bytes: beginning), limit: limit, isBeginning: true)
        }
    }

    /// The bytes' text. Bytes that are not UTF-8 are dropped, as transformers does: an answer cut in the
    /// middle of a character ends before it.
    public func decode(_ ids: [Int32]) -> String {
        var bytes: [UInt8] = []
        for id in ids {
            if let sentinel = sentinels.text(id) {
                bytes.append(contentsOf: sentinel.utf8)
            } else if let byte = Self.byte(id) {
                bytes.append(byte)
            }
        }
        var text = String.UnicodeScalarView()
        var iterator = bytes.makeIterator()
        var decoder = UTF8()
        while true {
            switch decoder.decode(&iterator) {
            case .scalarValue(let scalar): text.append(scalar)
            case .error: continue
            case .emptyInput: return String(text)
            }
        }
    }

    /// A byte below 128 is its character, another its number as `<0xE2>`.
    public func piece(_ id: Int32) -> String? {
        switch id {
        case 0: "<pad>"
        case 1: "</s>"
        case 2: "<unk>"
        default:
            sentinels.text(id)
                ?? Self.byte(id).map { byte in
                    byte < 0x80
                        ? String(Unicode.Scalar(byte)) : "<0x\(String(byte, radix: 16, uppercase: true))>"
                }
        }
    }

    private static func byte(_ id: Int32) -> UInt8? {
        id < byteOffset ? nil : UInt8(exactly: id - byteOffset)
    }
}
