import Foundation
import JSON

/// A folder of its own for a test; it and all in it go with the last reference.
package final class TemporaryFolder: Sendable {
    /// Where it is.
    package let path: String

    /// Where it is.
    package var url: URL { URL(fileURLWithPath: path, isDirectory: true) }

    /// Makes an empty folder.
    package init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("polyprompt-test-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of something in the folder.
    package func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file and returns its path.
    @discardableResult
    package func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }

    /// Writes a file and returns its path.
    @discardableResult
    package func write(_ name: String, _ text: String) throws -> String { try write(name, text.utf8) }

    /// Makes a folder in it, with those between, and returns its path.
    @discardableResult
    package func makeFolder(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: file(name), withIntermediateDirectories: true)
        return file(name)
    }

    /// Lets a name in it stand for something elsewhere.
    package func link(_ name: String, to path: String) throws {
        try FileManager.default.createSymbolicLink(atPath: file(name), withDestinationPath: path)
    }

    /// Whether there is something of this name.
    package func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: file(name)) }

    /// Removes a file or folder in it.
    package func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: file(name)) }

    /// A file's bytes.
    package func bytes(_ name: String) throws -> [UInt8] {
        try Array(Data(contentsOf: URL(fileURLWithPath: file(name))))
    }

    /// A file's text.
    package func text(_ name: String) throws -> String {
        try String(contentsOfFile: file(name), encoding: .utf8)
    }

    /// The JSON object that a file holds; an empty one where it holds another value.
    package func json(_ name: String) throws -> JSONObject {
        try JSONValue.parse(bytes(name)).object ?? JSONObject()
    }
}
