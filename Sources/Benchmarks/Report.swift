import Foundation
import JSON
import T5
import Tensors

/// What a measurement found.
package struct BenchmarkReport: Sendable {
    /// For programs. Every workload has `workload`, `core`, `precision`, `threads`, `machine`, `rounds` and
    /// `seconds`, the median of a round; times are in seconds.
    package var json: JSONObject
    /// For people.
    package var table: Table

    /// What a measurement found.
    package init(json: JSONObject, table: Table) {
        self.json = json
        self.table = table
    }

    /// Lines of cells under a heading.
    package struct Table: Sendable {
        var columns: [String]
        /// The lines; a cell for each column.
        package var rows: [[String]]

        /// A table.
        package init(columns: [String], rows: [[String]] = []) {
            self.columns = columns
            self.rows = rows
        }

        /// The table as text: the first column to the left, the others to the right.
        package var text: String {
            let lines = [columns] + rows
            let widths = columns.indices.map { column in
                lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
            }
            return lines.map { line in
                let cells = zip(line, widths).enumerated().map { column, cell in
                    let space = String(repeating: " ", count: cell.1 - cell.0.count)
                    return column == 0 ? cell.0 + space : space + cell.0
                }
                return cells.joined(separator: "  ").replacing(/\ +$/, with: "")
            }.joined(separator: "\n")
        }
    }

    /// The keys that every workload has, but `rounds` and `seconds`.
    static func header(
        _ workload: Workload, _ settings: BenchmarkSettings, core: T5Core? = nil
    ) throws -> JSONObject {
        try header(
            workload.rawValue, core: settings.core, precision: settings.precision, threads: settings.threads,
            fingerprint: core?.fingerprint)
    }

    /// The same for what is no workload of the server's.
    package static func header(
        _ workload: String, core: String, precision: T5Core.Precision, threads: Int, fingerprint: String?
    ) throws -> JSONObject {
        var object = JSONObject([
            ("workload", .string(workload)), ("core", .string(core)),
            ("precision", .string(precision.rawValue)), ("threads", JSONValue(threads)),
            (
                "machine",
                [
                    "cpu": .string(Self.processorName),
                    "isa": .string(try Processor.current().instructionSet),
                    "processors": JSONValue(WorkerPool.availableProcessors),
                ]
            ),
        ])
        if let fingerprint { object["core_fingerprint"] = .string(fingerprint) }
        return object
    }

    /// The processor's name as Linux tells it.
    private static var processorName: String {
        let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        for line in lines.split(separator: "\n") where line.hasPrefix("model name") {
            return line.split(separator: ":", maxSplits: 1).last.map {
                $0.trimmingCharacters(in: .whitespaces)
            } ?? "unknown"
        }
        return "unknown"
    }
}

extension Int {
    /// A size for people.
    var megabytes: String { (Double(self) / 1e6).fixed(0) + " MB" }
}

extension Double {
    /// The number with a fixed count of decimals.
    package func fixed(_ digits: Int) -> String { String(format: "%.\(digits)f", self) }

    /// A share in percent.
    var percent: String { (self * 100).fixed(0) + "%" }

    /// A time in a unit that suits it.
    package var duration: String {
        if self >= 1 { return fixed(2) + " s" }
        return self >= 1e-3 ? (self * 1e3).fixed(1) + " ms" : (self * 1e6).fixed(0) + " µs"
    }
}
