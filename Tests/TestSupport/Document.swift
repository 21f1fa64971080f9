import Foundation

/// A page of the documentation, whose examples the tests run.
package struct Document {
    /// The contents of its fenced blocks, in order.
    private let blocks: [(language: String, text: String)]

    /// Shell commands that the page shows.
    package struct Example {
        /// The commands.
        package let commands: String
        /// The status they are to end with: 0, or another that a comment `# exit status N` names.
        package let status: Int32
    }

    /// Reads a page of the repository.
    package init(_ name: String) throws {
        var blocks: [(language: String, text: String)] = []
        var isInside = false
        let text = try String(contentsOfFile: Repository.file(name), encoding: .utf8)
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                isInside.toggle()
                if isInside { blocks.append((String(line.dropFirst(3)), "")) }
            } else if isInside {
                blocks[blocks.count - 1].text += line + "\n"
            }
        }
        self.blocks = blocks
    }

    /// The contents of the fenced blocks in a language, in order.
    package func blocks(_ language: String) -> [String] {
        blocks.filter { $0.language == language }.map(\.text)
    }

    /// The shell blocks that begin with a command which was built, in order.
    package func examples(of command: String) -> [Example] {
        blocks("sh").filter { $0.hasPrefix(".build/release/\(command) ") }.map { block in
            let note = block.range(of: "# exit status ")
            let status = note.flatMap { Int32(block[$0.upperBound...].prefix { $0.isNumber }) }
            return Example(commands: block, status: status ?? 0)
        }
    }
}

extension TemporaryFolder {
    /// A folder with what a user who has built the commands finds at the repository's root.
    package static func likeRepository() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["models", "prompts", "benchmarks"] { try folder.link(name, to: Repository.file(name)) }
        try folder.makeFolder(".build/release")
        for name in ["polyprompt", "polyprompt-train"] {
            try folder.link(".build/release/" + name, to: Command.executable(name))
        }
        return folder
    }
}
