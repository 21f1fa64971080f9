import Basics
import JSON

/// A labelled row of a data set, its input already put into the task's template.
public struct LabelledExample: Sendable, Equatable {
    /// The template's text for the row, as its parts.
    public let input: TemplateText
    /// The right answers, at least one: label names, or texts for a task without labels.
    public let answers: [String]
    /// Ties rows of one question together.
    public let group: String?

    /// A labelled row.
    public init(input: TemplateText, answers: [String], group: String? = nil) {
        self.input = input
        self.answers = answers
        self.group = group
    }

    /// A labelled row of a text.
    public init(text: String, answers: [String], group: String? = nil) {
        self.init(input: TemplateText(text), answers: answers, group: group)
    }

    /// The template's text for the row.
    public var text: String { input.text }

    /// Whether both have the same text, answers and group, by their bytes.
    public static func == (left: LabelledExample, right: LabelledExample) -> Bool {
        left.input == right.input && left.answers.elementsEqual(right.answers) { $0.isSame(as: $1) }
            && left.group.map(ByteText.init) == right.group.map(ByteText.init)
    }
}

/// Reads labelled rows from JSON Lines, or from comma- or tab-separated values with a header.
///
/// A row is an object with the template's fields, or with `input` (a string for a template with one field, or
/// an object of fields); with `label` (a string, number or boolean, or an array of them, any of which is
/// right); and, if need be, with `group` (a string or number). Other members, such as `idx`, are ignored. In a
/// table the columns have these names, and every value is a string.
public struct LabelledExampleReader: Sendable {
    /// What to do with a label that the task does not have.
    public enum UnknownLabels: Sendable, Hashable {
        /// Refuse the row: training data.
        case refuse
        /// Keep it, so that it counts as wrong: dev and test data.
        case keep
    }

    /// What a file held.
    public struct Contents: Sendable, Equatable {
        /// The rows in order.
        public let examples: [LabelledExample]
        /// The labels kept though the task does not have them, each once, in order of appearance.
        public let unknownLabels: [String]
    }

    private let template: Template
    private let verbalizer: Verbalizer?
    private let labelMap: LabelMap
    private let unknownLabels: UnknownLabels
    private let maximumRows: Int

    /// Most rows of a file: a row takes some hundred bytes of memory, however few it has in the file.
    public static let maximumRows = 4_194_304

    /// A reader of rows for this task. A label map that names a label the task lacks is refused.
    public init(
        _ definition: TaskDefinition, labelMap: LabelMap = LabelMap(), unknownLabels: UnknownLabels,
        maximumRows: Int = LabelledExampleReader.maximumRows
    ) throws(TaskError) {
        self.maximumRows = maximumRows
        template = definition.template
        verbalizer = definition.verbalizer
        self.labelMap = labelMap
        self.unknownLabels = unknownLabels
        if let verbalizer { try labelMap.validate(for: verbalizer) }
    }

    /// How a file writes its rows.
    public enum Format: Sendable, Hashable {
        /// One JSON object a line.
        case jsonLines
        /// Comma-separated values with a header, quoted as RFC 4180 says.
        case commaSeparated
        /// Tab-separated values with a header, quoted in the same way.
        case tabSeparated

        /// The format that a file's name tells: `.csv`, `.tsv`, or else JSON Lines.
        public init(file: String) {
            let name = file.lowercased()
            self =
                name.ends(with: ".csv")
                ? .commaSeparated : name.ends(with: ".tsv") ? .tabSeparated : .jsonLines
        }
    }

    /// Reads a whole file. Blank lines are skipped, a byte order mark too.
    /// - Parameter file: named in errors, which begin `file:line:`.
    public func read(
        _ bytes: [UInt8], file: String, format: Format = .jsonLines
    ) throws(TaskError) -> Contents {
        switch format {
        case .jsonLines: try readLines(bytes, file: file)
        case .commaSeparated: try readTable(bytes, separator: UInt8(ascii: ","), file: file)
        case .tabSeparated: try readTable(bytes, separator: UInt8(ascii: "\t"), file: file)
        }
    }

    private func readTable(
        _ bytes: [UInt8], separator: UInt8, file: String
    ) throws(TaskError) -> Contents {
        var rows = Collector(self)
        do throws(TaskError) {
            var table = try DelimitedText(bytes, separator: separator)
            while let (line, row) = try table.next() {
                do throws(TaskError) { try rows.add(read(row: ObjectReader(row) { TaskError($0) })) } catch {
                    throw error.at("\(line)")
                }
            }
        } catch {
            throw TaskError("\(file):\(error.message)")
        }
        return rows.contents
    }

    private func readLines(_ bytes: [UInt8], file: String) throws(TaskError) -> Contents {
        var rows = Collector(self)
        var start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var number = 0
        while start < bytes.count {
            let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
            let line = bytes[start..<end]
            start = end + 1
            number += 1
            guard line.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else { continue }
            guard line.count <= DelimitedText.maximumRecordLength else {
                throw TaskError(
                    "\(file):\(number): the line is longer than \(DelimitedText.maximumRecordLength) bytes")
            }
            do { try rows.add(read(line: line)) } catch { throw error.at("\(file):\(number)") }
        }
        return rows.contents
    }

    /// Rows, and the labels that the task does not have, each once.
    private struct Collector {
        private let reader: LabelledExampleReader
        private var examples: [LabelledExample] = []
        private var unknown: [String] = []
        private var seen: Set<ByteText> = []

        init(_ reader: LabelledExampleReader) { self.reader = reader }

        mutating func add(_ example: LabelledExample) throws(TaskError) {
            guard examples.count < reader.maximumRows else {
                throw TaskError("the file has more than \(reader.maximumRows) rows")
            }
            examples.append(example)
            for label in example.answers where !reader.isKnown(label) && seen.insert(ByteText(label)).inserted
            {
                unknown.append(label)
            }
        }

        var contents: Contents { Contents(examples: examples, unknownLabels: unknown) }
    }

    /// Reads one line.
    public func read(line: some Collection<UInt8>) throws(TaskError) -> LabelledExample {
        try read(row: ObjectReader(parsing: line) { TaskError($0) })
    }

    private func read(row: ObjectReader<TaskError>) throws(TaskError) -> LabelledExample {
        let answers = try answers(of: row)
        for label in answers where unknownLabels == .refuse && !isKnown(label) {
            throw TaskError("\"label\": the task has no label \(label.quoted)")
        }
        let group = try row["group"]?.read("a string or a number") { $0.bool == nil ? $0.scalarText : nil }
        return LabelledExample(input: try input(of: row.object), answers: answers, group: group)
    }

    private func isKnown(_ label: String) -> Bool {
        verbalizer.map { $0.index(ofName: label) != nil } ?? true
    }

    private func input(of row: JSONObject) throws(TaskError) -> TemplateText {
        // The template's own fields go first: they may include one named "input", or stand beside one that
        // is not the task's.
        let hasFields = template.fields.allSatisfy { row[$0]?.scalarText != nil }
        if !hasFields, let input = row["input"] { return try template.render(input) }
        return try template.renderMembers(of: row)
    }

    private func answers(of row: ObjectReader<TaskError>) throws(TaskError) -> [String] {
        let label = try row.require("label")
        let several = label.value.array == nil ? nil : try label.elements(of: "answers", count: 1...Int.max)
        var answers: [String] = []
        var seen: Set<ByteText> = []
        for element in several ?? [label] {
            let text = try element.read(
                "a string, a number, a boolean\(several == nil ? " or an array of them" : "")", \.scalarText)
            let answer = labelMap[text]
            if seen.insert(ByteText(answer)).inserted { answers.append(answer) }
        }
        return answers
    }
}
