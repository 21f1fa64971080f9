import Foundation
import JSON

/// A command that ran to its end, as a user would run it.
package struct Command {
    /// The status that it exited with.
    package let status: Int32
    /// What it wrote to standard output.
    package let output: String
    /// What it wrote to standard error.
    package let errors: String

    /// The lines of standard output, each a JSON object.
    package var lines: [JSONObject] {
        get throws {
            try output.split(separator: "\n").map { line in
                guard let object = try JSONValue.parse(String(line)).object else {
                    throw NotAnObject(line: line)
                }
                return object
            }
        }
    }

    /// Runs `polyprompt`.
    @discardableResult
    package static func polyprompt(
        _ arguments: [String], input: String = "", environment: [String: String] = [:]
    ) throws -> Command {
        let process = process("polyprompt", arguments)
        process.environment?.merge(environment) { $1 }
        return try run(process, input: input)
    }

    /// Runs `polyprompt-train`, and `during` once it has been started.
    @discardableResult
    package static func train(
        _ arguments: [String], during: (Process) throws -> Void = { _ in }
    ) throws -> Command {
        try run(process("polyprompt-train", arguments), during: during)
    }

    /// Runs a shell's commands in a folder, up to the first that fails.
    package static func shell(_ commands: String, in folder: TemporaryFolder) throws -> Command {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-e", "-c", commands]
        process.currentDirectoryURL = folder.url
        return try run(process)
    }

    /// Runs a shell's commands at the root of the package, in which `$P` and `$T` are the package's commands, `$C` is the
    /// embedded core and `$W` a folder: for closed descriptors, limits, signals and devices.
    package static func script(_ commands: String, in folder: TemporaryFolder) throws -> Command {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", commands]
        process.currentDirectoryURL = URL(fileURLWithPath: Repository.path)
        var environment = ProcessInfo.processInfo.environment
        environment["P"] = executable("polyprompt")
        environment["T"] = executable("polyprompt-train")
        environment["C"] = Repository.core
        environment["W"] = folder.path
        process.environment = environment
        return try run(process)
    }

    /// Runs a program of the system.
    package static func run(_ path: String, _ arguments: [String]) throws -> Command {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        return try run(process)
    }

    /// One of the package's commands, not started yet.
    package static func process(_ name: String, _ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable(name))
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
        return process
    }

    /// The path of one of the package's commands, which lie beside the test bundle.
    package static func executable(_ name: String) -> String {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent(
            name
        )
        .absoluteURL.path
    }

    private static func run(
        _ process: Process, input: String = "", during: (Process) throws -> Void = { _ in }
    ) throws -> Command {
        // Files, not pipes, which a command that writes much would fill before it ends.
        let folder = try TemporaryFolder()
        process.standardInput = try FileHandle(
            forReadingFrom: URL(fileURLWithPath: folder.write("in", input)))
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: folder.write("out", "")))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: folder.write("err", "")))
        try process.run()
        try during(process)
        process.waitUntilExit()
        guard process.terminationReason == .exit else {
            throw EndedBySignal(signal: process.terminationStatus, errors: try folder.text("err"))
        }
        return Command(
            status: process.terminationStatus, output: try folder.text("out"), errors: try folder.text("err"))
    }

    private struct EndedBySignal: Error {
        let signal: Int32
        let errors: String
    }

    private struct NotAnObject: Error {
        let line: Substring
    }
}
