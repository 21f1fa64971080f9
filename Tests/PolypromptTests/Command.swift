import Foundation
import JSON
import Testing

/// Runs the built executable as a user would.
struct Command {
    static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let core = package.appendingPathComponent("models/polyprompt-mini").path
    /// The executable lies beside the test bundle.
    static let executable = URL(fileURLWithPath: CommandLine.arguments[0])
        .deletingLastPathComponent().appendingPathComponent("polyprompt")

    let status: Int32
    let output: String
    let errors: String

    /// The standard output as JSON Lines.
    var lines: [JSONValue] {
        get throws { try output.split(separator: "\n").map { try JSONValue.parse(String($0)) } }
    }

    static func prompt(_ task: String) -> String { package.appendingPathComponent("prompts/\(task)").path }

    static func process(_ arguments: [String], environment: [String: String] = [:]) -> Process {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        return process
    }

    /// Runs a command to its end.
    @discardableResult
    static func run(
        _ arguments: [String], input: Data = Data(), environment: [String: String] = [:]
    ) throws -> Command {
        let process = process(arguments, environment: environment)
        let folder = try TemporaryFolder()
        let streams = ["in", "out", "err"].map { folder.url.appendingPathComponent($0) }
        try input.write(to: streams[0])
        for stream in streams.dropFirst() { try Data().write(to: stream) }
        process.standardInput = try FileHandle(forReadingFrom: streams[0])
        process.standardOutput = try FileHandle(forWritingTo: streams[1])
        process.standardError = try FileHandle(forWritingTo: streams[2])
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit, "ended by signal \(process.terminationStatus)")
        return Command(
            status: process.terminationStatus, output: try String(contentsOf: streams[1], encoding: .utf8),
            errors: try String(contentsOf: streams[2], encoding: .utf8))
    }
}

/// A folder that goes with its owner.
final class TemporaryFolder {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("polyprompt-test-\(UUID())")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
        return path(name)
    }
}
