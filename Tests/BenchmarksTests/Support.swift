import Benchmarks
import Foundation
import JSON

/// What the tests measure with: the embedded core and as little time as says anything.
enum Fixture {
    static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let core = package.appendingPathComponent("models/polyprompt-mini").path
    /// The executable lies beside the test bundle.
    static let executable = URL(fileURLWithPath: CommandLine.arguments[0])
        .deletingLastPathComponent().appendingPathComponent("polyprompt").path

    static func settings(requestFile: String? = nil) -> BenchmarkSettings {
        BenchmarkSettings(
            core: core, precision: .float32, threads: 2,
            extent: requestFile == nil ? .seconds(0.2) : .rounds(1), requestFile: requestFile,
            executable: executable)
    }
}

/// A folder that goes with its owner.
final class TemporaryFolder {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("polyprompt-test-\(UUID())")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }
}
