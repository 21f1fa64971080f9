import ArgumentParser
import Basics
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
    package func give(_ table: String, json object: JSONObject) throws(FileError) {
        if json != "-" { try StandardOutput.print(table) }
        guard let json else { return }
        let text = JSONValue.object(object).indented
        if json == "-" {
            try StandardOutput.print(text, terminator: "")
        } else {
            try writeFile(Array(text.utf8), to: json)
        }
    }
}
