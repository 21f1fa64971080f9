import Foundation
import TestSupport
import Testing

/// What `docs/architecture.md` says of the targets is what `Package.swift` and the sources say.
@Suite("Architecture")
struct ArchitectureTests {
    /// A target's name and the modules that it depends on.
    typealias Targets = [String: Set<String>]

    /// The modules that are named in a text: what stands between quotes or backticks.
    private static func names(_ text: Substring, between mark: Character) -> Set<String> {
        let parts = text.split(separator: mark, omittingEmptySubsequences: false)
        return Set(parts.indices.filter { $0 % 2 == 1 }.map { String(parts[$0]) })
    }

    /// The targets of `Package.swift`, tests aside.
    private static func declared() throws -> Targets {
        let manifest = try String(contentsOfFile: Repository.file("Package.swift"), encoding: .utf8)
        var targets: Targets = [:]
        for part in manifest.matches(
            of: #/\.(systemLibrary|target|executableTarget|testTarget)\(\s*name: "([^"]+)"/#)
        where part.1 != "testTarget" {
            let rest = manifest[part.range.upperBound...]
            let end = rest.firstMatch(of: #/\n        \.|\n    \]/#)?.range.lowerBound ?? rest.endIndex
            let list = rest[..<end].firstMatch(of: #/dependencies: \[([^\]]*)\]/#)?.1 ?? ""
            let modules = String(list).replacing(#/package: "[^"]*"/#, with: "")
            targets[String(part.2)] = names(modules[...], between: "\"")
        }
        return targets
    }

    /// The targets of the document's table.
    private static func documented() throws -> Targets {
        var targets: Targets = [:]
        let lines = try Document("docs/architecture.md").prose
        for line in lines.drop(while: { !$0.hasPrefix("| target |") }).dropFirst(2).prefix(while: {
            $0.hasPrefix("|")
        }) {
            let cells = line.split(separator: "|")
            for name in names(cells[0], between: "`") { targets[name] = names(cells[2], between: "`") }
        }
        return targets
    }

    /// The modules that a target's Swift files import.
    private static func imported(by target: String) -> Set<String> {
        let folder = Repository.file((target == "TestSupport" ? "Tests/" : "Sources/") + target)
        let files = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
        var modules: Set<String> = []
        for file in files where file.hasSuffix(".swift") {
            let text = (try? String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)) ?? ""
            for match in text.matches(
                of: #/(?m)^(?:package |public )?import (?:struct |class |enum |func )?(\w+)/#)
            {
                modules.insert(String(match.1))
            }
        }
        return modules
    }

    @Test("the document's table is that of Package.swift")
    func table() throws {
        let declared = try Self.declared()
        let documented = try Self.documented()
        #expect(declared.count > 15)
        #expect(Set(documented.keys) == Set(declared.keys))
        for (target, modules) in declared { #expect(documented[target] == modules, "\(target)") }
    }

    @Test("a target imports all that it depends on, and nothing else")
    func imports() throws {
        let declared = try Self.declared()
        let known = Set(declared.keys).union(declared.values.joined())
        for (target, modules) in declared where !target.hasPrefix("C") || target == "CommandSupport" {
            #expect(Self.imported(by: target).intersection(known) == modules, "\(target)")
        }
    }

    @Test("one target calls a system library", arguments: ["CLMDB", "COpenBLAS", "CSentencePiece", "CZstd"])
    func systemLibraries(module: String) throws {
        let users = try Self.declared().filter { $0.value.contains(module) }.keys
        #expect(users.count == 1, "\(users)")
    }
}
