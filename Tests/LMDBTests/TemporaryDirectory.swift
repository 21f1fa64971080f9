import Foundation
import LMDB

/// A directory of a test's own, removed when the test has ended.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/lmdb-tests-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { path + "/" + name }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension Environment {
    /// A key's value, in a transaction of its own.
    func value(of key: [UInt8], in database: Database) throws -> [UInt8]? {
        try read { try $0.value(of: key, in: database) }
    }

    /// The number of keys, in a transaction of its own.
    func count(in database: Database) throws -> Int {
        try read { try $0.count(in: database) }
    }
}
