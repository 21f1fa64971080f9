import Foundation
import TestSupport
import Testing

/// `docs/bad-input.md` and `docs/limits.md` name a test for each row.
@Suite("Bad input")
struct BadInputTests {
    /// The text of the files in which each suite is declared or extended.
    private static func suites() throws -> [String: String] {
        let folder = Repository.file("Tests")
        var suites: [String: String] = [:]
        for case let file as String in FileManager.default.enumerator(atPath: folder) ?? .init()
        where file.hasSuffix(".swift") {
            let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
            for declaration in text.matches(of: #/(?:struct|class|extension) (\w+)/#) {
                suites[String(declaration.1), default: ""] += text
            }
        }
        return suites
    }

    @Test("the tests that the pages name are there")
    func names() throws {
        let suites = try Self.suites()
        var suite = ""
        var count = 0
        let pages = try ["docs/bad-input.md", "docs/limits.md"].map { try Document($0).prose }
        for line in pages.joined() where line.hasPrefix("|") {
            for name in line.split(separator: "|").last?.matches(of: #/`(\w*)(?:\.(\w+))?`/#) ?? [] {
                if !name.1.isEmpty { suite = String(name.1) }
                let text = try #require(suites[suite], "there is no suite \(suite): \(line)")
                if let test = name.2 { #expect(text.contains("func \(test)("), "\(suite).\(test): \(line)") }
                count += 1
            }
        }
        #expect(count > 100)
    }
}
