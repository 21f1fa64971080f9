import Basics
import Glibc
import JSON
import Tasks
import Testing

/// Twice as much takes about twice as long: what is quadratic would take four times.
@Suite(.serialized) struct TaskCostTests {
    private static func seconds(_ work: () throws -> Void) rethrows -> Double {
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
        let start = now()
        try work()
        return now() - start
    }

    static func names(_ count: Int) -> [String] { (0..<count).map { "n\($0)" } }
    static func marks(_ count: Int) -> String { "e" + String(repeating: "\u{301}\u{316}", count: count) }

    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let count: Int
        let work: @Sendable (Int) throws -> () throws -> Void

        init(_ name: String, _ count: Int, _ work: @escaping @Sendable (Int) throws -> () throws -> Void) {
            (testDescription, self.count, self.work) = (name, count, work)
        }
    }

    static let free = Result { try TaskDefinition(name: "t", template: Template("{input}")) }

    static let cases: [Case] = [
        Case("keys of an object", 50_000) { count in
            let text = "{" + names(count).map { "\"\($0)\":0" }.joined(separator: ",") + "}"
            return { _ = try JSONValue.parse(text) }
        },
        Case("a template's fields", 4_000) { count in
            let source = names(count).map { "{\($0)}" }.joined()
            let object = JSONObject(names(count).map { ($0, "x") })
            return { _ = try Template(source).render(object).text }
        },
        Case("a table's columns", 5_000) { count in
            let header = (["input", "label"] + names(count - 2)).joined(separator: ",")
            let bytes = Array("\(header)\n\(String(repeating: "x,", count: count - 1))x\n".utf8)
            let reader = try LabelledExampleReader(free.get(), unknownLabels: .keep)
            return { _ = try reader.read(bytes, file: "f", format: .commaSeparated) }
        },
        Case("a table's rows", 20_000) { count in
            let bytes = Array(("input\tlabel\n" + String(repeating: "a\tb\n", count: count)).utf8)
            let reader = try LabelledExampleReader(free.get(), unknownLabels: .keep)
            return { _ = try reader.read(bytes, file: "f", format: .tabSeparated) }
        },
        Case("a row's answers", 20_000) { count in
            let row: JSONValue = ["input": "x", "label": .array(names(count).map(JSONValue.string))]
            let reader = try LabelledExampleReader(free.get(), unknownLabels: .keep)
            return { _ = try reader.read(line: row.lineBytes) }
        },
        Case("labels", 5_000) { count in
            let labels = names(count).map { Verbalizer.Label(name: $0, text: $0) }
            return { _ = try Verbalizer(labels).restricted(to: names(count)) }
        },
        Case("a confusion matrix", 20_000) { count in
            let answers = names(count).map { EvaluatedAnswer(prediction: $0, references: ["r"]) }
            return { _ = ConfusionMatrix(answers).json }
        },
        Case("marks in labels", 100_000) { count in
            let labels = ["a", "b"].map { Verbalizer.Label(name: $0 + marks(count), text: $0 + marks(count)) }
            return { _ = try Verbalizer(labels).restricted(to: labels.map(\.name)) }
        },
        Case("marks in keys", 100_000) { count in
            let text = "{\"a\(marks(count))\":1,\"b\(marks(count))\":2}"
            return { _ = try ObjectReader(parsing: text.utf8) { TaskError($0) }["c"] }
        },
        Case("marks in answers", 50_000) { count in
            let answer = EvaluatedAnswer(prediction: marks(count), references: ["a", marks(count) + "b"])
            return {
                for metric in [Metric.exactMatch, .tokenF1, .accuracy] {
                    _ = try metric.score([answer], labels: [])
                }
            }
        },
        Case("marks in a label map", 100_000) { count in
            return { _ = try LabelMap(parsing: " a\(marks(count)) = b\(marks(count)) ")[marks(count)] }
        },
        Case("a label of many words", 100_000) { count in
            let label = Verbalizer.Label(name: "a", text: String(repeating: "a ", count: count))
            return { _ = try Verbalizer([label]) }
        },
    ]

    @Test(arguments: cases)
    func `twice as much takes about twice as long`(_ example: Case) throws {
        func measure(_ count: Int) throws -> Double {
            let work = try example.work(count)
            return try (0..<3).map { _ in try Self.seconds(work) }.min() ?? 0
        }
        let (once, twice) = (try measure(example.count), try measure(2 * example.count))
        #expect(twice < 3 * once + 0.01, "\(once) s, then \(twice) s")
        #expect(twice < 2)
    }

    @Test(arguments: [LabelledExampleReader.Format.jsonLines, .commaSeparated])
    func `rows have a limit, which is named`(format: LabelledExampleReader.Format) throws {
        let reader = try LabelledExampleReader(Self.free.get(), unknownLabels: .keep, maximumRows: 3)
        func read(_ count: Int) throws -> Int {
            let text =
                format == .jsonLines
                ? String(repeating: #"{"input": "a", "label": "b"}"# + "\n", count: count)
                : "input,label\n" + String(repeating: "a,b\n", count: count)
            return try reader.read(Array(text.utf8), file: "f", format: format).examples.count
        }
        #expect(try read(3) == 3)
        expectRefusal("f:", "the file has more than 3 rows") { try read(4) }
    }

    @Test func `columns and a record's bytes have limits, which are named`() throws {
        let reader = try LabelledExampleReader(Self.free.get(), unknownLabels: .keep)
        func read(_ text: String, _ format: LabelledExampleReader.Format) throws -> Int {
            try reader.read(Array(text.utf8), file: "f", format: format).examples.count
        }
        func table(_ columns: Int) -> String {
            (["input", "label"] + Self.names(columns - 2)).joined(separator: ",") + "\n"
                + String(repeating: "x,", count: columns - 1) + "x\n"
        }
        #expect(try read(table(10_000), .commaSeparated) == 1)
        expectRefusal("10001 columns, at most 10000") { try read(table(10_001), .commaSeparated) }
        expectRefusal("f:2: 10001 fields were found, the header has 2 columns") {
            try read("input,label\n" + String(repeating: "x,", count: 10_000) + "x\n", .commaSeparated)
        }
        let row = #"{"label": "a", "input": ""#
        let longest = row + String(repeating: "x", count: (8 << 20) - row.utf8.count - 2) + "\"}"
        #expect(longest.utf8.count == 8 << 20)
        #expect(try read(longest, .jsonLines) == 1)
        expectRefusal("f:1: the line is longer than 8388608 bytes") { try read(longest + " ", .jsonLines) }
    }
}
