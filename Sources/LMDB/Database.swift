import CLMDB

/// A named database of an environment: an ordered map from keys (1 to 511 bytes) to values.
///
/// Valid for as long as its environment is open, and only in that environment's transactions.
public struct Database: Sendable {
    /// The database's name.
    public let name: String
    let handle: MDB_dbi
    let environment: ObjectIdentifier
}
