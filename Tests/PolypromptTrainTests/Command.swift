import Foundation
import JSON
import Testing

/// Runs the built executables as a user would.
struct Command {
    static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let core = package.appendingPathComponent("models/polyprompt-mini").path
    /// The executables lie beside the test bundle.
    static let products = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()

    let status: Int32
    let output: String
    let errors: String

    /// The standard output as JSON Lines.
    var lines: [JSONObject] {
        get throws { try output.split(separator: "\n").compactMap { try JSONValue.parse(String($0)).object } }
    }

    static func process(_ arguments: [String], executable: String = "polyprompt-train") -> Process {
        let process = Process()
        process.executableURL = products.appendingPathComponent(executable)
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        return process
    }

    /// Runs a command to its end.
    @discardableResult
    static func run(
        _ arguments: [String], executable: String = "polyprompt-train",
        during: (Process) throws -> Void = { _ in }
    ) throws -> Command {
        let process = process(arguments, executable: executable)
        let folder = try TemporaryFolder()
        let streams = ["out", "err"].map { folder.url.appendingPathComponent($0) }
        for stream in streams { try Data().write(to: stream) }
        process.standardOutput = try FileHandle(forWritingTo: streams[0])
        process.standardError = try FileHandle(forWritingTo: streams[1])
        try process.run()
        try during(process)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit, "ended by signal \(process.terminationStatus)")
        return Command(
            status: process.terminationStatus, output: try String(contentsOf: streams[0], encoding: .utf8),
            errors: try String(contentsOf: streams[1], encoding: .utf8))
    }
}

/// A folder that goes with its owner.
final class TemporaryFolder {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("polyprompt-train-test-\(UUID())")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
        return path(name)
    }

    func json(_ name: String) throws -> JSONObject {
        try JSONValue.parse(Array(Data(contentsOf: url.appendingPathComponent(name)))).object ?? JSONObject()
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
}
