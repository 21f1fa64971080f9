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
    /// - Throws: `data`, naming the line and the member that is missing or of the wrong type.
    public func convert(_ bytes: [UInt8], file: String) throws(TrainingError) -> [JSONObject] {
        var rows: [JSONObject] = []
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated() where line.contains(where: { $0 > 0x20 })
        {
            do {
                guard let object = try JSONValue.parse(line).object else {
                    throw RawRow.Problem("not an object")
                }
                rows += try convert(RawRow(object: object, path: ""))
            } catch {
                throw TrainingError(.data, "\(file):\(index + 1): \(error)")
            }
        }
        return rows
    }

    private func convert(_ row: RawRow) throws -> [JSONObject] {
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

    private func labelled(_ row: RawRow, fields: [String]) throws -> [JSONObject] {
        guard let label = try row.label() else { return [] }
        return [
            JSONObject(try fields.map { ($0, .string(try row.string($0))) } + [("label", .string(label))])
        ]
    }

    /// The label is the name of the right choice's field.
    private func copa(_ row: RawRow) throws -> [JSONObject] {
        try labelled(row, fields: ["choice1", "choice2", "premise", "question"]).map { row in
            var row = row
            switch row["label"]?.string {
            case "0"?: row["label"] = "choice1"
            case "1"?: row["label"] = "choice2"
            default: throw RawRow.Problem("label is \(row["label"]?.line ?? ""); 0 or 1 was expected")
            }
            return row
        }
    }

    /// The pronoun and the noun phrase that it may stand for are marked in the text, as T5 does it.
    private func wsc(_ row: RawRow) throws -> [JSONObject] {
        guard let label = try row.label() else { return [] }
        let target = try row.object("target")
        let (noun, pronoun) = (try target.string("span1_text"), try target.string("span2_text"))
        var words = try row.string("text").split(separator: " ", omittingEmptySubsequences: false).map(
            String.init)
        for (key, text, mark) in [("span1_index", noun, "*"), ("span2_index", pronoun, "#")] {
            let count = max(1, text.split(separator: " ").count)
            let start = try target.int(key)
            guard start >= 0, start + count <= words.count else {
                throw RawRow.Problem("target.\(key) is \(start), the text has \(words.count) words")
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
    private func multirc(_ row: RawRow) throws -> [JSONObject] {
        let passage = try row.object("passage")
        let number = row.object["idx"]?.line ?? ""
        var rows: [JSONObject] = []
        for (index, question) in try passage.objects("questions").enumerated() {
            for answer in try question.objects("answers") {
                guard let label = try answer.label() else { continue }
                rows.append(
                    JSONObject([
                        ("question", .string(try question.string("question"))),
                        ("answer", .string(try answer.string("text"))),
                        ("paragraph", .string(try passage.string("text"))),
                        ("label", .string(label == "1" ? "true" : label == "0" ? "false" : label)),
                        ("group", .string("\(number)-\(question.object["idx"]?.line ?? "\(index)")")),
                    ]))
            }
        }
        return rows
    }

    /// A passage with its highlights as further sentences.
    private static func joined(highlights text: String) -> String {
        text.split(separator: "\n@highlight\n").reduce(into: "") { result, part in
            let isEnded = result.last.map { ".?!\"'".contains($0) } ?? true
            result += (result.isEmpty ? "" : isEnded ? " " : ". ") + part
        }
    }

    /// A row for each query; any of its answers is right.
    private func record(_ row: RawRow) throws -> [JSONObject] {
        let passage = try row.object("passage")
        let text = try passage.string("text")
        let scalars = Array(text.unicodeScalars)
        var entities: [String] = []
        for entity in try passage.objects("entities") {
            let (start, end) = (try entity.int("start"), try entity.int("end"))
            // The ends are those of the last characters.
            guard start >= 0, start <= end, end < scalars.count else {
                throw RawRow.Problem(
                    "\(entity.path)start and end are \(start) and \(end), beyond the passage")
            }
            let name = String(String.UnicodeScalarView(scalars[start...end]))
            if !entities.contains(name) { entities.append(name) }
        }
        var rows: [JSONObject] = []
        for query in try row.objects("qas") {
            guard query.object["answers"] != nil else { continue }
            var answers: [String] = []
            for answer in try query.objects("answers") {
                let text = try answer.string("text")
                if !answers.contains(text) { answers.append(text) }
            }
            guard !answers.isEmpty else { throw RawRow.Problem("\(query.path)answers is empty") }
            rows.append(
                JSONObject([
                    ("query", .string(try query.string("query"))),
                    ("entities", .string(entities.joined(separator: ", "))),
                    ("passage", .string(Self.joined(highlights: text))),
                    ("label", .array(answers.map(JSONValue.string))),
                ]))
        }
        return rows
    }
}

/// A raw row's members by type.
private struct RawRow {
    struct Problem: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    let object: JSONObject
    /// Written before a key's name in messages: "passage.".
    let path: String

    private func problem(_ key: String, _ expected: String) -> Problem {
        Problem(
            object[key].map { "\(path)\(key) is \($0.line.prefix(40)); \(expected) was expected" }
                ?? "\(path)\(key) is missing")
    }

    func string(_ key: String) throws -> String {
        guard let value = object[key]?.string else { throw problem(key, "a string") }
        return value
    }

    func int(_ key: String) throws -> Int {
        guard let value = object[key]?.int else { throw problem(key, "a whole number") }
        return value
    }

    func object(_ key: String) throws -> RawRow {
        guard let value = object[key]?.object else { throw problem(key, "an object") }
        return RawRow(object: value, path: "\(path)\(key).")
    }

    func objects(_ key: String) throws -> [RawRow] {
        guard let values = object[key]?.array else { throw problem(key, "an array of objects") }
        return try values.enumerated().map { index, value in
            guard let object = value.object else { throw problem(key, "an array of objects") }
            return RawRow(object: object, path: "\(path)\(key)[\(index)].")
        }
    }

    /// The label's text; `nil` when there is none, as in test rows.
    func label() throws -> String? {
        switch object["label"] {
        case nil: return nil
        case .string(let text)?: return text
        case .bool(let value)?: return value ? "true" : "false"
        case .number(let value)?: return value.text
        default: throw problem("label", "a string, number or boolean")
        }
    }
}
