import Foundation
import TestSupport

/// A page of the documentation.
struct Document {
    /// Shell commands that a page shows.
    struct Example {
        /// The commands.
        let commands: String
        /// The status they are to end with: 0, or another that a comment `# exit status N` names.
        let status: Int32
    }

    /// The README and the other pages for readers, by their paths in the repository.
    static let names: [String] = {
        let pages = (try? FileManager.default.contentsOfDirectory(atPath: Repository.file("docs"))) ?? []
        return ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
            + pages.filter { $0.hasSuffix(".md") }.sorted().map { "docs/" + $0 }
    }()

    /// The contents of its fenced blocks, in order.
    private var blocks: [(language: String, text: String)] = []
    /// The lines outside of them.
    private(set) var prose: [Substring] = []

    /// Reads a page of the repository.
    init(_ name: String) throws { try self.init(path: Repository.file(name)) }

    /// Reads a page.
    init(path: String) throws {
        var isInside = false
        let text = try String(contentsOfFile: path, encoding: .utf8)
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") {
                isInside.toggle()
                if isInside { blocks.append((String(line.dropFirst(3)), "")) }
            } else if isInside {
                blocks[blocks.count - 1].text += line + "\n"
            } else {
                prose.append(line)
            }
        }
    }

    /// The contents of the fenced blocks in a language, in order.
    func blocks(_ language: String) -> [String] { blocks.filter { $0.language == language }.map(\.text) }

    /// The shell blocks, in order.
    var examples: [Example] {
        blocks("sh").map { block in
            let note = block.range(of: "# exit status ")
            let status = note.flatMap { Int32(block[$0.upperBound...].prefix { $0.isNumber }) }
            return Example(commands: block, status: status ?? 0)
        }
    }

    /// Where its links and images lead.
    var links: [String] {
        prose.flatMap { line in line.matches(of: #/\]\(([^)\s]+)\)/#).map { String($0.1) } }
    }

    /// What its headings are linked by, as GitHub names them.
    var anchors: [String] {
        prose.filter { $0.hasPrefix("#") }.map { heading in
            heading.drop { $0 == "#" }.dropFirst().lowercased()
                .filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
                .replacing(" ", with: "-")
        }
    }
}

extension TemporaryFolder {
    /// A folder with what a user who has built the commands finds at the repository's root.
    static func likeRepository() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for name in ["models", "prompts", "benchmarks"] { try folder.link(name, to: Repository.file(name)) }
        try folder.makeFolder(".build/release")
        for name in ["polyprompt", "polyprompt-train"] {
            try folder.link(".build/release/" + name, to: Command.executable(name))
        }
        return folder
    }
}
