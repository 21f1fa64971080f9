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

    /// Opens the file, so that one that cannot be written is known before anything is measured.
    package func open() throws(FileError) -> Report {
        guard let json, json != "-" else { return Report(isObjectOnly: json != nil, file: nil) }
        return Report(isObjectOnly: false, file: try OutputFile(path: json))
    }
}

/// A report that is to be given.
package struct Report {
    /// Whether standard output gets the object instead of the table.
    fileprivate let isObjectOnly: Bool
    fileprivate let file: OutputFile?

    /// Gives the report as a table on standard output, and as JSON too where that is asked for.
    package func give(_ table: String, json object: JSONObject) throws(FileError) {
        let text = JSONValue.object(object).indented
        if isObjectOnly {
            try StandardOutput.print(text, terminator: "")
        } else {
            try StandardOutput.print(table)
        }
        try file?.write(Array(text.utf8))
        try file?.commit()
    }
}
