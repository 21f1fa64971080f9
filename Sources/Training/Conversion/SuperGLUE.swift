import Basics
import JSON

/// SuperGLUE's own files as labelled rows of the tasks in `benchmarks/training/tasks` (Wang et al. 2019).
///
/// One raw line may give several rows (MultiRC: one an answer option, ReCoRD: one a question) or none (test rows
/// without a label).
public enum SuperGLUE: String, Sendable, CaseIterable {
    case boolq, cb, copa, multirc, record, rte, wic, wsc

    /// The data set of this name, upper or lower case, as SuperGLUE's folders write it.
    public init?(name: String) { self.init(rawValue: name.lowercased()) }

    /// The data set whose files a folder of SuperGLUE's holds: the last but one part of a path.
    public init?(path: String) {
        let parts = path.split(separator: "/")
        guard parts.count >= 2 else { return nil }
        self.init(name: String(parts[parts.count - 2]))
    }

    /// Converts a file of JSON Lines.
    ///
    /// - Parameters:
    ///   - bytes: The file's contents.
    ///   - file: Named in errors, which begin `file:line:`.
    /// - Returns: The rows as JSON Lines.
    /// - Throws: `TrainingError`, naming the line and the member that is missing or of the wrong type.
    public func convert(_ bytes: [UInt8], file: String) throws(TrainingError) -> [JSONObject] {
        var rows: [JSONObject] = []
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated() where line.contains(where: { $0 > 0x20 })
        {
            do {
                rows += try convert(Row(parsing: line, at: "\(file):\(index + 1)") { TrainingError($0) })
            } catch {
                throw TrainingError(wrapping: error)
            }
        }
        return rows
    }

    private func convert(_ row: Row) throws -> [JSONObject] {
        switch self {
        case .boolq: return try labelled(row, fields: ["passage", "question"])
        case .cb, .rte: return try labelled(row, fields: ["premise", "hypothesis"])
        case .copa: return try copa(row)
        case .wic: return try labelled(row, fields: ["sentence1", "sentence2", "word"])
        case .wsc: return try wsc(row)
        case .multirc: return try multirc(row)
        case .record: return try record(row)
        }
    }

    private func labelled(_ row: Row, fields: [String]) throws -> [JSONObject] {
        guard let label = try row.label() else { return [] }
        return [
            JSONObject(
                try fields.map { ($0, .string(try row.require($0).string())) } + [("label", .string(label))])
        ]
    }

    /// The label is the name of the right choice's field.
    private func copa(_ row: Row) throws -> [JSONObject] {
        var rows = try labelled(row, fields: ["choice1", "choice2", "premise", "question"])
        for index in rows.indices {
            rows[index]["label"] = try row.require("label").read("0 or 1") { label in
                ["0": "choice1", "1": "choice2"][label.scalarText ?? ""]
            }
        }
        return rows
    }

    /// The pronoun and the noun phrase that it may stand for are marked in the text, as T5 does it.
    private func wsc(_ row: Row) throws -> [JSONObject] {
        guard let label = try row.label() else { return [] }
        let target = try row.require("target").object()
        let (noun, pronoun) = (
            try target.require("span1_text").string(), try target.require("span2_text").string()
        )
        var words = try row.require("text").string().utf8
            .split(separator: 0x20, omittingEmptySubsequences: false).map { String(Substring($0)) }
        for (key, text, mark) in [("span1_index", noun, "*"), ("span2_index", pronoun, "#")] {
            let count = max(1, text.utf8.split(separator: 0x20).count)
            let start = try target.require(key).integer()
            guard start >= 0, start <= words.count - count else {
                throw row.refusal("target.\(key) is \(start), the text has \(words.count) words")
            }
            words[start] = mark + " " + words[start]
            words[start + count - 1] += " " + mark
        }
        return [
            JSONObject([
                ("text", .string(words.joined(separator: " "))), ("pronoun", .string(pronoun)),
                ("noun", .string(noun)), ("label", .string(label)),
            ])
        ]
    }

    /// A row for each answer option; those of one question have one group.
    private func multirc(_ row: Row) throws -> [JSONObject] {
        let passage = try row.require("passage").object()
        let number = row.object["idx"]?.line ?? ""
        var rows: [JSONObject] = []
        for (index, question) in try passage.objects("questions").enumerated() {
            for answer in try question.objects("answers") {
                guard let label = try answer.label() else { continue }
                rows.append(
                    JSONObject([
                        ("question", .string(try question.require("question").string())),
                        ("answer", .string(try answer.require("text").string())),
                        ("paragraph", .string(try passage.require("text").string())),
                        ("label", .string(label == "1" ? "true" : label == "0" ? "false" : label)),
                        ("group", .string("\(number)-\(question.object["idx"]?.line ?? "\(index)")")),
                    ]))
            }
        }
        return rows
    }

    /// A passage with its highlights as further sentences.
    private static func joined(highlights text: String) -> String {
        text.utf8.split(separator: Array("\n@highlight\n".utf8)).map { String(Substring($0)) }.reduce(
            into: ""
        ) { result, part in
            let isEnded = result.utf8.last.map { ".?!\"'".utf8.contains($0) } ?? true
            result += (result.isEmpty ? "" : isEnded ? " " : ". ") + part
        }
    }

    /// A row for each query; any of its answers is right.
    private func record(_ row: Row) throws -> [JSONObject] {
        let passage = try row.require("passage").object()
        let text = try passage.require("text").string()
        let scalars = Array(text.unicodeScalars)
        var entities: [String] = []
        var names: Set<ByteText> = []
        for entity in try passage.objects("entities") {
            let (start, end) = (try entity.require("start").integer(), try entity.require("end").integer())
            // The ends are those of the last characters.
            guard start >= 0, start <= end, end < scalars.count else {
                throw row.refusal(
                    "\(entity.prefix)start and end are \(start) and \(end), beyond the passage")
            }
            let name = String(String.UnicodeScalarView(scalars[start...end]))
            if names.insert(ByteText(name)).inserted { entities.append(name) }
        }
        let (list, joined) = (entities.joined(separator: ", "), Self.joined(highlights: text))
        var rows: [JSONObject] = []
        for query in try row.objects("qas") {
            guard query.object["answers"] != nil else { continue }
            var answers: [String] = []
            var seen: Set<ByteText> = []
            for answer in try query.objects("answers") {
                let text = try answer.require("text").string()
                if seen.insert(ByteText(text)).inserted { answers.append(text) }
            }
            guard !answers.isEmpty else { throw row.refusal("\(query.prefix)answers is empty") }
            rows.append(
                JSONObject([
                    ("query", .string(try query.require("query").string())),
                    ("entities", .string(list)),
                    ("passage", .string(joined)),
                    ("label", .array(answers.map(JSONValue.string))),
                ]))
        }
        return rows
    }
}

private typealias Row = ObjectReader<TrainingError>

extension Row {
    /// The label's text; `nil` when there is none, as in test rows.
    fileprivate func label() throws(TrainingError) -> String? { try self["label"]?.scalarText() }

    fileprivate func objects(_ key: String) throws -> [Row] {
        try require(key).elements(of: "objects").map { try $0.object() }
    }
}
