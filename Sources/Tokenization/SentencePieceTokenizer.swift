import CSentencePiece

/// T5's tokenizer: a SentencePiece model, and the sentinels behind its pieces.
///
/// Gives the ids of transformers' `T5Tokenizer` with its default, `legacy=True`:
/// - With 100 sentinels and N pieces, `<extra_id_0>` is N+99 and `<extra_id_99>` is N.
/// - Whitespace on both sides of a sentinel is dropped, and the text behind it begins like a new text, with
///   the `▁` of a word's start.
/// - A model that has the sentinels among its own pieces (mT5's has `▁<extra_id_0>`) is given no more of them,
///   unless the core's `tokenizer_config.json` says how many.
///
/// An invalid UTF-8 byte counts as U+FFFD, which is unknown to T5's models; a NUL is a character like others.
/// Text beyond several MiB is encoded chunk by chunk, which bounds memory: see ``encodePieces(bytes:)``.
///
/// Source: Kudo and Richardson, "SentencePiece", 2018; Raffel et al., "Exploring the Limits of Transfer
/// Learning with a Unified Text-to-Text Transformer", 2020.
public struct SentencePieceTokenizer: Tokenizer {
    /// How many sentinels T5 has unless something says otherwise.
    static let defaultSentinelCount = 100

    private let model: SentencePieceModel
    private let sentinels: Sentinels

    /// One more than the highest id of a piece or sentinel: 32,100 for T5's own model.
    public let pieceCount: Int

    /// 100 unless the model or the core's configuration says otherwise.
    public let sentinelCount: Int

    /// The id of the model's end-of-sequence piece.
    public let endOfSequence: Int32

    /// The model file's bytes; behind them the sentinels' ids where these are not T5's default, so that the
    /// usual tokenizer's hash is the file's.
    public let identityBytes: [UInt8]

    /// A tokenizer from a model file's bytes, with the default sentinels.
    ///
    /// - Throws: ``TokenizerError`` when the bytes are not a SentencePiece model, are damaged,
    ///   or have no control piece for the end of a sequence.
    public init(model bytes: [UInt8]) throws(TokenizerError) {
        try self.init(model: bytes, file: "the model", .absent(file: ""))
    }

    /// A tokenizer from a model file's bytes, with the sentinels of the core's configuration.
    init(
        model bytes: [UInt8], file: String, _ configuration: TokenizerConfiguration
    ) throws(TokenizerError) {
        let model = try SentencePieceModel(SentencePieceModelFile(bytes, path: file))
        guard let endOfSequence = model.endOfSequence else {
            throw TokenizerError(
                "\(file) has no control piece </s>; a T5 model is trained with pad_id 0, eos_id 1 and unk_id 2"
            )
        }
        guard (0..<Int32(model.count)).contains(where: { model.kind($0) == CSP_PIECE_UNKNOWN }) else {
            throw TokenizerError("\(file) has no piece for unknown characters")
        }
        let own = Self.ownSentinels(of: model)
        let usual = Self.sentinels(count: Self.defaultSentinelCount, behind: model.count)
        let added: [Sentinels.Sentinel]
        switch configuration.sentinels {
        case .unsaid: added = own > 0 ? [] : usual
        case .count(let count): added = Self.sentinels(count: count, behind: model.count)
        case .listed(let listed):
            added = listed
            for sentinel in listed where sentinel.id < model.count {
                guard model.kind(sentinel.id) == CSP_PIECE_TEXT, model.piece(sentinel.id) == sentinel.text
                else {
                    throw TokenizerError(
                        "\(configuration.file): added_tokens_decoder gives \(sentinel.text) the id "
                            + "\(sentinel.id), which \(file) has for another piece")
                }
            }
        }
        self.model = model
        self.endOfSequence = endOfSequence
        sentinels = Sentinels(added)
        pieceCount = max(model.count, Int(added.map(\.id).max() ?? 0) + 1)
        sentinelCount = added.isEmpty ? own : added.count
        identityBytes = sentinels == Sentinels(usual) ? bytes : bytes + sentinels.identityBytes
    }

    /// `<extra_id_0>` is the last id.
    private static func sentinels(count: Int, behind pieces: Int) -> [Sentinels.Sentinel] {
        (0..<count).map {
            .init(number: $0, id: Int32(pieces + count - 1 - $0), stripsLeft: true, stripsRight: true)
        }
    }

    /// How many sentinels the model itself has.
    private static func ownSentinels(of model: SentencePieceModel) -> Int {
        var count = 0
        while ["<extra_id_\(count)>", "▁<extra_id_\(count)>"].contains(where: { piece in
            model.id(piece).map { model.kind($0) == CSP_PIECE_TEXT } ?? false
        }) {
            count += 1
        }
        return count
    }

    /// The ids of text without the end-of-sequence id.
    ///
    /// Chunks between sentinels are encoded as a whole up to 8 MiB of ASCII or 512 KiB of other text, and
    /// beyond that are cut, at whitespace where there is any. Pieces do not reach across whitespace, so a cut
    /// changes ids only in text without any.
    public func encodePieces(bytes: some Collection<UInt8>) -> [Int32] {
        bytes.withContiguousBytes { bytes in
            var ids: [Int32] = []
            for segment in sentinels.segments(bytes) {
                switch segment {
                case .sentinel(let id): ids.append(id)
                case .text(let range):
                    for chunk in TextChunks(UnsafeBufferPointer(rebasing: bytes[range])) {
                        // The library fails only on a model that contradicts itself, or without memory.
                        if !model.encode(chunk, into: &ids) { ids.append(unencodedID) }
                    }
                }
            }
            return ids
        }
    }

    /// The first ids of text. They are those of the whole text, whatever follows, unless it has fewer than `limit`
    /// pieces in its first 64 KiB and 256 bytes an id: no more than these are read, and where they end within a
    /// word, that word's last pieces may be others. So it is for every text of more bytes when the model has pieces
    /// with white space inside, which T5's models have not.
    public func encode(bytes: some Collection<UInt8>, limit: Int) -> (ids: [Int32], isTruncated: Bool) {
        bytes.withContiguousBytes { bytes in
            let limit = max(1, limit)
            for beginning in TextBeginnings(bytes, separators: model.separators, limit: limit) {
                let pieces = encodePieces(bytes: beginning.bytes)
                if beginning.isLast || pieces.count >= limit {
                    return ended(pieces, limit: limit, isBeginning: !beginning.isWhole)
                }
            }
            return ended([], limit: limit)
        }
    }

    /// The text of ids. As transformers has it, every chunk between sentinels loses the whitespace at its
    /// ends, and one space stands on each side of a sentinel inside text.
    public func decode(_ ids: [Int32]) -> String {
        var parts: [String] = []
        var chunk: [Int32] = []
        func finishChunk() {
            let bytes = chunk.isEmpty ? [] : model.decode(chunk)
            chunk.removeAll(keepingCapacity: true)
            let text = bytes.withUnsafeBufferPointer { bytes in
                let range = Whitespace.trimmingStart(bytes.indices, of: bytes)
                return String(decoding: bytes[Whitespace.trimmingEnd(range, of: bytes)], as: UTF8.self)
            }
            if !text.isEmpty { parts.append(text) }
        }
        for id in ids {
            if let sentinel = sentinels.text(id) {
                finishChunk()
                parts.append(sentinel)
            } else if [CSP_PIECE_TEXT, CSP_PIECE_BYTE, CSP_PIECE_UNUSED].contains(model.kind(id)) {
                chunk.append(id)
            }
        }
        finishChunk()
        return parts.joined(separator: " ")
    }

    /// The piece's text, `▁` standing for a space.
    public func piece(_ id: Int32) -> String? { sentinels.text(id) ?? model.piece(id) }
}
