import Basics
import JSON

/// What `tokenizer_config.json` says that changes ids: the class and the sentinels.
///
/// Everything else in the file (control tokens, lengths, `legacy`, chat templates) is left aside.
struct TokenizerConfiguration: Sendable, Equatable {
    /// How the file describes the sentinels.
    enum SentinelLayout: Sendable, Equatable {
        /// Not at all: the tokenizer's own default holds.
        case unsaid
        /// So many behind the vocabulary (`extra_ids`, or the names in `additional_special_tokens`).
        case count(Int)
        /// One by one with their ids (`added_tokens_decoder`), numbered from 0 without gaps.
        case listed([Sentinels.Sentinel])
    }

    /// The file's path, for error messages.
    var file: String
    /// `tokenizer_class`, when it is there.
    var className: String?
    /// The sentinels.
    var sentinels: SentinelLayout

    /// What holds for a core without the file.
    static func absent(file: String) -> Self { .init(file: file, className: nil, sentinels: .unsaid) }

    /// Reads the file's bytes.
    ///
    /// - Throws: ``TokenizerError`` naming the file and the key.
    static func parse(_ bytes: [UInt8], file: String) throws(TokenizerError) -> Self {
        let reader = try ObjectReader(parsing: bytes, at: file, nullIsAbsent: true) { TokenizerError($0) }
        return .init(
            file: file, className: try reader["tokenizer_class"]?.string(), sentinels: try layout(reader))
    }

    /// The most telling description wins: ids, then names, then the count. Transformers writes `extra_ids` 0
    /// beside the full list for ByT5, so the count alone must not be trusted first.
    private static func layout(_ reader: ObjectReader<TokenizerError>) throws(TokenizerError)
        -> SentinelLayout
    {
        let listed = try listed(reader)
        if !listed.isEmpty { return .listed(listed) }
        let named = (reader["additional_special_tokens"]?.value.array ?? []).compactMap(content).compactMap(
            number)
        if !named.isEmpty {
            guard Set(named) == Set(0..<named.count) else {
                throw reader.refusal(
                    "the sentinels in additional_special_tokens must be <extra_id_0> to "
                        + "<extra_id_\(named.count - 1)>, each once")
            }
            return .count(named.count)
        }
        guard let count = reader["extra_ids"] else { return .unsaid }
        return .count(try count.integer(in: 0...Sentinels.maximumCount))
    }

    private static func listed(
        _ reader: ObjectReader<TokenizerError>
    ) throws(TokenizerError) -> [Sentinels.Sentinel] {
        var sentinels: [Sentinels.Sentinel] = []
        for (key, token) in reader["added_tokens_decoder"]?.value.object ?? JSONObject() {
            guard let number = content(token).flatMap(number) else { continue }
            guard let id = Int32(key), id >= 0, id < Int32.max else {
                throw reader.refusal("added_tokens_decoder has the key \(key.quoted), which is no id")
            }
            let flags = token.object
            sentinels.append(
                .init(
                    number: number, id: id, stripsLeft: flags?["lstrip"]?.bool ?? false,
                    stripsRight: flags?["rstrip"]?.bool ?? false))
        }
        guard Set(sentinels.map(\.number)) == Set(0..<sentinels.count),
            Set(sentinels.map(\.id)).count == sentinels.count
        else {
            throw reader.refusal(
                "the sentinels in added_tokens_decoder must be <extra_id_0> to "
                    + "<extra_id_\(sentinels.count - 1)>, each once")
        }
        return sentinels
    }

    /// A token is its text, or an object with the text as `content`.
    private static func content(_ token: JSONValue) -> String? {
        token.string ?? token.object?["content"]?.string
    }

    /// The number of the sentinel with this text.
    private static func number(_ text: String) -> Int? {
        // As bytes: the token is anybody's text.
        guard text.utf8.count <= Sentinels.maximumBytes, text.begins(with: "<extra_id_"),
            let number = Int(text.dropFirst("<extra_id_".count).dropLast()),
            (0..<Sentinels.maximumCount).contains(number), text.isSame(as: "<extra_id_\(number)>")
        else { return nil }
        return number
    }
}
