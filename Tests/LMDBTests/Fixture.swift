import LMDB
import TestSupport

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
