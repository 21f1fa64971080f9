import ArgumentParser
import CommandSupport
import Foundation
import JSON
import Serving
import Tokenization

/// `polyprompt core tokenize`
struct CoreTokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize", abstract: "Turn lines of text into arrays of ids.",
        discussion: """
            Reads text from standard input and writes one JSON array a line, each ending with the end-of-sequence \
            id. Reads the core's tokenizer only.
            """)

    @Option(help: ArgumentHelp("The core directory.", valueName: "dir"))
    var core: String

    func run() throws {
        let tokenizer = try TokenizerLoader.load(directory: core)
        var reader = LineReader()
        let writer = try LineWriter(path: "-")
        var number = 0
        while let line = try reader.next() {
            number += 1
            guard case .bytes(let bytes) = line else {
                try writer.flush()
                throw CommandError(
                    "standard input, line \(number): longer than \(LineReader.maximumLineLength) bytes")
            }
            let ids = tokenizer.encode(bytes: bytes)
            guard !ids.contains(unencodedID) else {
                throw CommandError(
                    "standard input, line \(number): there is no memory to encode it, or the tokenizer is damaged"
                )
            }
            try writer.write(JSONValue(ids.map(Int.init)))
            if !reader.isReady() { try writer.flush() }
        }
        try writer.commit()
    }
}

/// `polyprompt core detokenize`
struct CoreDetokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "detokenize", abstract: "Turn arrays of ids into lines of text.",
        discussion: """
            Reads one JSON array of ids a line from standard input. Control ids and unknown ones are skipped; \
            spaces are not cleaned up.
            """)

    @Option(help: ArgumentHelp("The core directory.", valueName: "dir"))
    var core: String

    func run() throws {
        let tokenizer = try TokenizerLoader.load(directory: core)
        var reader = LineReader()
        var number = 0
        while let line = try reader.next() {
            number += 1
            let place = "standard input, line \(number)"
            guard case .bytes(let bytes) = line else {
                throw CommandError("\(place): longer than \(LineReader.maximumLineLength) bytes")
            }
            let reader = try ValueReader(parsing: bytes, at: place) { CommandError($0) }
            try StandardOutput.print(tokenizer.decode(try reader.integers()))
        }
    }
}
