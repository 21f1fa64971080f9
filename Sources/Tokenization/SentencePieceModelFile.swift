/// A SentencePiece model file, checked in the parts that libsentencepiece trusts, and made ready for it.
///
/// The library refuses bytes that are not a protocol buffer and vocabularies that make no sense. But it follows
/// the compiled normalisation table without looking where it leads, recurses once for every byte of a piece,
/// and takes a piece to end at its first NUL, so a damaged file could crash the process when it is loaded or,
/// worse, when some text is encoded.
///
/// It also takes time in the square of its length for a run of characters that no piece covers, by copying the
/// run for every character. With a piece for every byte it does not, so a model without such pieces is given
/// them, beyond its own; a run of them is one unknown piece again in the end. Nothing else changes: byte pieces
/// take no part in the search for the best pieces.
///
/// Source: `sentencepiece_model.proto` and the version 0.1.97 of the library.
struct SentencePieceModelFile {
    /// Pieces are a few characters long; the library's own later limit is 8,000 bytes.
    static let maximumPieceBytes = 1024
    /// Most pieces that a model may have; mT5's, the largest of T5's family, has a quarter of them.
    static let maximumPieces = 1 << 20
    /// The description of the training may have this many bytes. It may hold lists, whose entries take the library far
    /// more memory than bytes.
    static let maximumTrainerBytes = 1 << 20
    /// The library has room for so many user-defined pieces of which each is the beginning of the next.
    static let maximumNestedPieces = 64

    /// The file's path, for error messages.
    let path: String
    /// How many pieces the model has.
    private(set) var pieceCount = 0
    /// The white-space bytes before which text can be cut without changing the pieces of what stands before: none
    /// reaches across, in the vocabulary or in the normalisation table. A space, and what the table makes a space
    /// of. Empty when the model has a piece with white space inside or at its end.
    private(set) var separators: [UInt8] = [0x20, 0x09, 0x0A, 0x0D]

    private let bytes: [UInt8]
    private var userDefined: [Range<Int>] = []
    private var trainerBytes = 0
    private var hasBytePieces = false
    private var hasNormalisationTable = false
    private var selfTests: [Range<Int>] = []

    /// - Throws: ``TokenizerError`` naming the file and what is wrong with it.
    init(_ bytes: [UInt8], path: String) throws(TokenizerError) {
        self.bytes = bytes
        self.path = path
        guard !bytes.isEmpty else { throw TokenizerError("\(path) is empty") }
        try checkModel()
    }

    /// The model as the library is to load it: with byte pieces, and without the encodings that the trainer may
    /// have stored for the library to check itself with, which know nothing of them.
    var prepared: [UInt8] {
        var prepared: [UInt8] = []
        var position = 0
        for range in selfTests {
            prepared += bytes[position..<range.lowerBound]
            position = range.upperBound
        }
        prepared += bytes[position...]
        if hasBytePieces { return prepared }
        for byte in 0...0xFF {
            let digits = String(byte, radix: 16, uppercase: true)
            let name = "<0x\(byte < 16 ? "0" : "")\(digits)>"
            prepared += ProtocolBufferField.encoded(
                1, ProtocolBufferField.encoded(1, name.utf8) + ProtocolBufferField.encoded(3, 6))
        }
        return prepared + ProtocolBufferField.encoded(2, ProtocolBufferField.encoded(35, 1))
    }

    private func failure(_ reason: String) -> TokenizerError {
        TokenizerError(
            "\(path) is no SentencePiece model, or a damaged one: \(reason); get the file anew"
        )
    }

    /// The next field of a message, `nil` at its end.
    private func next(_ fields: inout ProtocolBufferFields) throws(TokenizerError) -> ProtocolBufferField? {
        if let field = fields.next() { return field }
        guard !fields.isMalformed else { throw failure("the protocol buffer breaks off or is malformed") }
        return nil
    }

    /// `TrainerSpec`: treat_whitespace_as_suffix 24.
    private mutating func checkTrainer(_ range: Range<Int>) throws(TokenizerError) {
        trainerBytes += range.count
        guard trainerBytes <= Self.maximumTrainerBytes else {
            throw failure("its trainer_spec has more than \(Self.maximumTrainerBytes) bytes")
        }
        var fields = ProtocolBufferFields(bytes, range)
        while let field = try next(&fields) {
            if field.number == 24 { separators = [] }
        }
    }

    /// `ModelProto`: pieces 1, trainer_spec 2, normalizer_spec 3, self_test_data 4, denormalizer_spec 5.
    private mutating func checkModel() throws(TokenizerError) {
        var fields = ProtocolBufferFields(bytes, bytes.indices)
        while let field = try next(&fields) {
            guard case .bytes(let range) = field.value else { continue }
            switch field.number {
            case 1: try checkPiece(range)
            case 2: try checkTrainer(range)
            case 3: try checkNormalizer(range, isForText: true)
            case 5: try checkNormalizer(range, isForText: false)
            case 4: selfTests.append(field.range)
            default: break
            }
        }
        if !hasNormalisationTable { separators.removeAll { $0 != 0x20 } }
        guard nesting() <= Self.maximumNestedPieces else {
            throw failure("more than \(Self.maximumNestedPieces) user-defined pieces begin with one another")
        }
    }

    /// `SentencePiece`: piece 1, type 3 (4 is user-defined, 6 a byte).
    private mutating func checkPiece(_ range: Range<Int>) throws(TokenizerError) {
        var text: Range<Int> = range.lowerBound..<range.lowerBound
        var isUserDefined = false
        var fields = ProtocolBufferFields(bytes, range)
        while let field = try next(&fields) {
            switch (field.number, field.value) {
            case (1, .bytes(let range)): text = range
            // A type unknown to the library leaves an earlier one standing, so any of them counts.
            case (3, .number(let type)):
                isUserDefined = isUserDefined || Int32(truncatingIfNeeded: type) == 4
                hasBytePieces = hasBytePieces || Int32(truncatingIfNeeded: type) == 6
            default: break
            }
        }
        pieceCount += 1
        guard pieceCount <= Self.maximumPieces else {
            throw failure("it has more than \(Self.maximumPieces) pieces")
        }
        guard text.count <= Self.maximumPieceBytes else {
            throw failure("a piece has \(text.count) bytes, more than \(Self.maximumPieceBytes)")
        }
        guard !bytes[text].contains(0) else { throw failure("a piece contains a NUL") }
        // White space in a piece is ▁, in UTF-8 E2 96 81.
        if bytes[text].contains(0x20)
            || text.dropFirst().dropLast(2).contains(where: {
                bytes[$0] == 0xE2 && bytes[$0 + 1] == 0x96 && bytes[$0 + 2] == 0x81
            })
        {
            separators = []
        }
        if isUserDefined { userDefined.append(text) }
    }

    /// `NormalizerSpec`: precompiled_charsmap 2.
    private mutating func checkNormalizer(_ range: Range<Int>, isForText: Bool) throws(TokenizerError) {
        var fields = ProtocolBufferFields(bytes, range)
        while let field = try next(&fields) {
            guard field.number == 2, case .bytes(let range) = field.value, !range.isEmpty else { continue }
            let (fault, spaces) = CharacterMapCheck.check(bytes[range])
            if let fault { throw failure("the normalisation table (precompiled_charsmap) \(fault)") }
            guard isForText else { continue }
            hasNormalisationTable = true
            separators.removeAll { !spaces.contains($0) }
        }
    }

    /// The length of the longest chain of user-defined pieces of which each is a beginning of the next.
    private func nesting() -> Int {
        var chain: [Range<Int>] = []
        var longest = 0
        for piece in userDefined.sorted(by: { bytes[$0].lexicographicallyPrecedes(bytes[$1]) }) {
            while let last = chain.last, !bytes[piece].starts(with: bytes[last]) { chain.removeLast() }
            chain.append(piece)
            longest = max(longest, chain.count)
        }
        return longest
    }
}
