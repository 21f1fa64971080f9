import ArgumentParser
import Basics
import Foundation
import JSON

/// Where a command that measures gives its report.
package struct ReportOptions: ParsableArguments {
    package init() {}

    @Option(
        help: ArgumentHelp(
            "Write the measurements here as JSON; - for standard output, without the table.",
            valueName: "file"))
    package var json: String?

    /// Gives a report as a table on standard output, and as JSON too where that is asked for.
    package func give(_ table: String, json object: JSONObject) throws(CommandError) {
        if json != "-" { print(table) }
        guard let json else { return }
        let bytes = Array(JSONValue.object(object).indented.utf8)
        do {
            if json == "-" {
                try writeAll(bytes, to: STDOUT_FILENO, path: "standard output")
            } else {
                try writeFile(bytes, to: json)
            }
        } catch {
            throw CommandError(wrapping: error)
        }
    }
}
