import Foundation
import Testing

/// What the README and the guide show works as it is shown.
@Suite("The README's and the guide's training commands")
struct ReadmeTests {
    /// The contents of a page's fenced blocks that begin with this command.
    private func blocks(_ page: String) throws -> [String] {
        let url = Command.package.appendingPathComponent(page)
        let text = try String(contentsOf: url, encoding: .utf8)
        return text.split(separator: "```sh\n").dropFirst().compactMap { rest in
            rest.split(separator: "\n```", maxSplits: 1).first.map(String.init)
        }.filter { $0.hasPrefix(".build/release/polyprompt-train ") }
    }

    @Test("run in order, each without an error", arguments: ["README.md", "docs/training.md"])
    func commands(page: String) throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder.path(".build/release"), withIntermediateDirectories: true)
        for (name, target) in [
            ("models", Command.package.appendingPathComponent("models")),
            ("prompts", Command.package.appendingPathComponent("prompts")),
            ("benchmarks", Command.package.appendingPathComponent("benchmarks")),
            (".build/release/polyprompt", Command.products.appendingPathComponent("polyprompt")),
            (".build/release/polyprompt-train", Command.products.appendingPathComponent("polyprompt-train")),
        ] {
            try FileManager.default.createSymbolicLink(
                at: folder.url.appendingPathComponent(name), withDestinationURL: target.absoluteURL)
        }
        let blocks = try blocks(page)
        #expect(blocks.count >= 2)
        for block in blocks {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/bin/sh")
            process.arguments = ["-e", "-c", block]
            process.currentDirectoryURL = folder.url
            let log = URL(fileURLWithPath: try folder.write("log", ""))
            let handle = try FileHandle(forWritingTo: log)
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = handle
            process.standardError = handle
            try process.run()
            process.waitUntilExit()
            let written = try String(contentsOf: log, encoding: .utf8)
            #expect(process.terminationStatus == 0, "\(block)\n\(written)")
        }
    }
}
