import ArgumentParser
import Basics
import CommandSupport
import Foundation
import JSON
import Serving
import Training

/// `polyprompt-train convert`: SuperGLUE's own files as labelled rows.
struct ConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Turn SuperGLUE's own files into labelled rows.",
        discussion: """
            Reads a file of SuperGLUE's (BoolQ, CB, COPA, MultiRC, ReCoRD, RTE, WiC or WSC) and writes JSON Lines for \
            the task of the same name in benchmarks/training/tasks:

              polyprompt-train convert --data-set BoolQ BoolQ/train.jsonl --output boolq-train.jsonl

            MultiRC gives a row an answer option, those of a question with one "group"; ReCoRD a row a question, \
            whose "label" has every right answer. Rows without a label are left out.
            """)

    @Argument(help: ArgumentHelp("The file.", valueName: "file"))
    var input: String

    @Option(
        help: ArgumentHelp(
            "boolq, cb, copa, multirc, record, rte, wic or wsc (default: the name of the file's folder).",
            valueName: "name"))
    var dataSet: String?

    @Option(help: ArgumentHelp("File to write, or - for standard output.", valueName: "file"))
    var output = "-"

    func validate() throws {
        guard output != input else { throw ValidationError("--output would replace the file itself") }
    }

    func run() throws {
        let names = SuperGLUE.allCases.map(\.rawValue).joined(separator: ", ")
        guard let set = dataSet.map({ SuperGLUE(name: $0) }) ?? SuperGLUE(path: input) else {
            throw CommandError("which data set \(input) is of is not known; give --data-set, one of \(names)")
        }
        let writer = try LineWriter(path: output)
        let rows = try set.convert(readFile(input, limit: FileLimit.data), file: input)
        for row in rows { try writer.write(.object(row)) }
        try writer.commit()
        StandardError.print("\(rows.count) rows of \(set.rawValue)")
    }
}
