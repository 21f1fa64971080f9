import Basics
import JSON

/// Tables as text: comma- or tab-separated values with a header, quoted as RFC 4180 says.
///
/// A record ends with a line feed, with or without a carriage return before it. A field that begins with a double
/// quote ends with the next one that is not doubled, and may hold separators and line breaks; a quote within any
/// other field is a character like others. Blank lines are skipped.
struct DelimitedText {
    /// A record may have this many bytes, as a request line may.
    static let maximumRecordLength = 8 << 20
    /// Most columns of a table.
    static let maximumColumns = 10_000

    private let bytes: [UInt8]
    private let separator: UInt8
    private var position: Int
    private var line = 1

    /// The header's names, in order.
    private(set) var columns: [String] = []

    /// Reads the header.
    ///
    /// - Throws: `TaskError` whose message begins with the line.
    init(_ bytes: [UInt8], separator: UInt8) throws(TaskError) {
        self.bytes = bytes
        self.separator = separator
        position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        guard let header = try record(keeping: Self.maximumColumns) else {
            throw TaskError("1: the file is empty; a header with the columns' names was expected")
        }
        guard header.count <= Self.maximumColumns else {
            throw TaskError(
                "\(header.line): the header has \(header.count) columns, at most \(Self.maximumColumns) were expected"
            )
        }
        var names: Set<ByteText> = []
        for name in header.fields {
            guard !name.isEmpty, names.insert(ByteText(name)).inserted else {
                throw TaskError(
                    "\(header.line): the header names the column \(name.quoted) "
                        + (name.isEmpty ? "with nothing; each column needs a name" : "twice"))
            }
        }
        columns = header.fields
    }

    /// The next record as an object of strings by column, and the line where it begins; `nil` at the end.
    mutating func next() throws(TaskError) -> (line: Int, row: JSONObject)? {
        guard let record = try record(keeping: columns.count) else { return nil }
        guard record.count == columns.count else {
            throw TaskError(
                "\(record.line): \(record.count) fields were found, the header has \(columns.count) columns"
            )
        }
        return (record.line, JSONObject(zip(columns, record.fields).map { ($0, .string($1)) }))
    }

    /// The next record: its line, the first of its fields and the number of all.
    private mutating func record(
        keeping limit: Int
    ) throws(TaskError) -> (line: Int, fields: [String], count: Int)? {
        skipBlankLines()
        guard position < bytes.count else { return nil }
        let start = (position: position, line: line)
        var fields: [String] = []
        var count = 0
        while true {
            let field = try field(of: start.line)
            count += 1
            if count <= limit { fields.append(field) }
            guard position - start.position <= Self.maximumRecordLength else {
                throw TaskError(
                    "\(start.line): the record is longer than \(Self.maximumRecordLength) bytes; is a quote missing?"
                )
            }
            guard position < bytes.count, bytes[position] == separator else { break }
            position += 1
        }
        endLine()
        return (start.line, fields, count)
    }

    /// Reads a field and stops at the separator, the line's end or the end.
    private mutating func field(of recordLine: Int) throws(TaskError) -> String {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
            let start = position
            while position < bytes.count, bytes[position] != separator, !isLineEnd { position += 1 }
            return try text(bytes[start..<position], recordLine)
        }
        position += 1
        var value: [UInt8] = []
        while true {
            guard position < bytes.count, value.count <= Self.maximumRecordLength else {
                throw TaskError("\(recordLine): a quoted field of the record that begins here does not end")
            }
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") {
                guard position < bytes.count, bytes[position] == byte else { break }
                position += 1
            } else if byte == UInt8(ascii: "\n") {
                line += 1
            }
            value.append(byte)
        }
        guard position == bytes.count || bytes[position] == separator || isLineEnd else {
            throw TaskError(
                "\(line): text follows the closing quote of a field; within quotes a quote is written twice")
        }
        return try text(value[...], recordLine)
    }

    private func text(_ utf8: ArraySlice<UInt8>, _ line: Int) throws(TaskError) -> String {
        guard let text = String(validating: utf8, as: UTF8.self) else {
            throw TaskError("\(line): a field is not valid UTF-8")
        }
        return text
    }

    private var isLineEnd: Bool {
        guard position < bytes.count else { return false }
        if bytes[position] == UInt8(ascii: "\n") { return true }
        return bytes[position] == UInt8(ascii: "\r")
            && (position + 1 == bytes.count || bytes[position + 1] == UInt8(ascii: "\n"))
    }

    private mutating func endLine() {
        guard isLineEnd else { return }
        if bytes[position] == UInt8(ascii: "\r") { position += 1 }
        if position < bytes.count { position += 1 }
        line += 1
    }

    private mutating func skipBlankLines() {
        while isLineEnd { endLine() }
    }
}
