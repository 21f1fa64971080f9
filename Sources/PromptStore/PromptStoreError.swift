import Basics
import LMDB

/// Why the prompt store refused something.
///
/// The message names the store, task, alias or field at fault, what was expected and what to do.
public struct PromptStoreError: CodedError {
    /// What kind of failure it is.
    public enum Code: Sendable {
        /// A task's name is not `[a-z0-9][a-z0-9._-]{0,127}`.
        case invalidName
        /// A reference is neither `name` nor `name@version`.
        case invalidReference
        /// A soft prompt's shape or values are out of bounds.
        case invalidPrompt
        /// Bytes that are not a sound frame.
        case invalidFrame
        /// A field of what is to be published is malformed or too large.
        case invalidManifest
        /// An ensemble's members do not go together.
        case invalidEnsemble
        /// The store, task, version or alias is not there.
        case notFound
        /// The path holds something else.
        case notAStore
        /// The store was written by a newer release.
        case unsupportedFormat
        /// Stored bytes are damaged.
        case corrupted
        /// The prompt is bound to another core.
        case coreMismatch
        /// An alias still names what is to be removed.
        case inUse
        /// The alias has no earlier target.
        case nothingToRollBack
        /// The target of a backup exists.
        case alreadyExists
        /// The store is open for reading only, or its file system is.
        case readOnly
        /// The process may not read or write the store's files.
        case permissionDenied
        /// The disk is full; nothing was changed.
        case diskFull
        /// The store reached its maximum size; nothing was changed.
        case storeFull
        /// Any other failure below.
        case system
    }

    /// What kind of failure it is.
    public let code: Code
    /// What is wrong, where, and what to do.
    public let message: String
    /// The error behind it.
    public let cause: (any Error)?

    /// An error of a kind with its sentence.
    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        (self.code, self.message, self.cause) = (code, message, cause)
    }

    /// The error of a store at a path for whatever its work threw.
    init(_ error: any Error, at path: String) {
        guard let error = error as? LMDBError else {
            self.init(.system, wrapping: error, at: path)
            return
        }
        let code: Code =
            switch error.code {
            case .notFound: .notFound
            case .notAnEnvironment, .versionMismatch, .databaseMissing: .notAStore
            case .corrupted, .disordered: .corrupted
            case .permissionDenied: .permissionDenied
            case .readOnly, .alreadyOpen: .readOnly
            case .diskFull: .diskFull
            case .mapFull: .storeFull
            case .alreadyExists: .alreadyExists
            default: .system
            }
        guard [.diskFull, .storeFull].contains(code) else {
            self.init(code, wrapping: error)
            return
        }
        self.init(code, "\(error); prompts remove makes room in the store itself", cause: error)
    }
}
