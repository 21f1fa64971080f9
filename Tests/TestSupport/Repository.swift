import Foundation
import Testing

/// Where the tests find the files of the repository, and those beside it.
package enum Repository {
    /// The package's folder.
    package static let path = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// The embedded core.
    package static let core = file("models/polyprompt-mini")

    /// A file or folder of the package.
    package static func file(_ name: String) -> String { path + "/" + name }

    /// The folder of a shipped task.
    package static func prompt(_ task: String) -> String { file("prompts/" + task) }

    /// The folder of a small core that `Tests/T5Tests/Golden/make_golden.py` made.
    package static func goldenCore(_ name: String) -> String { file("Tests/T5Tests/Golden/" + name) }

    /// A file or folder of `shared`, which lies beside the repository where other projects' data is at hand: not all
    /// of it may be copied into this one.
    package static func shared(_ name: String) -> String {
        URL(fileURLWithPath: path).deletingLastPathComponent().appendingPathComponent("shared/" + name).path
    }
}

/// Says of a part of a test that it was skipped, and why: a test as a whole takes a trait that says so.
package func printSkipped(_ what: String, because why: String) { print("SKIPPED: \(what), because \(why)") }

extension Trait where Self == ConditionTrait {
    /// Skips the test, and says so, where `shared` lacks this file or folder.
    package static func needsShared(_ name: String) -> Self {
        .enabled(
            if: FileManager.default.fileExists(atPath: Repository.shared(name)),
            "../shared/\(name) is not there")
    }
}
