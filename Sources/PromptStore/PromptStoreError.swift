import LMDB

/// Why the prompt store refused something.
///
/// The message names the store, task, alias or field at fault, what was expected and what to do.
public struct PromptStoreError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure it is; more may be added.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Value: String, Sendable {
            case invalidName, invalidReference, invalidPrompt, invalidFrame, invalidManifest, invalidEnsemble
            case notFound, notAStore, unsupportedFormat, corrupted, coreMismatch, inUse, nothingToRollBack
            case alreadyExists, readOnly, permissionDenied, diskFull, storeFull, system
        }
        private let value: Value

        /// A task's name is not `[a-z0-9][a-z0-9._-]{0,127}`.
        public static let invalidName = Code(value: .invalidName)
        /// A reference is neither `name` nor `name@version`.
        public static let invalidReference = Code(value: .invalidReference)
        /// A soft prompt's shape or values are out of bounds.
        public static let invalidPrompt = Code(value: .invalidPrompt)
        /// Bytes that are not a sound frame.
        public static let invalidFrame = Code(value: .invalidFrame)
        /// A field of what is to be published is malformed or too large.
        public static let invalidManifest = Code(value: .invalidManifest)
        /// An ensemble's members do not go together.
        public static let invalidEnsemble = Code(value: .invalidEnsemble)
        /// The store, task, version or alias is not there.
        public static let notFound = Code(value: .notFound)
        /// The path holds something else.
        public static let notAStore = Code(value: .notAStore)
        /// The store was written by a newer release.
        public static let unsupportedFormat = Code(value: .unsupportedFormat)
        /// Stored bytes are damaged.
        public static let corrupted = Code(value: .corrupted)
        /// The prompt is bound to another core.
        public static let coreMismatch = Code(value: .coreMismatch)
        /// An alias still names what is to be removed.
        public static let inUse = Code(value: .inUse)
        /// The alias has no earlier target.
        public static let nothingToRollBack = Code(value: .nothingToRollBack)
        /// The target of a backup exists.
        public static let alreadyExists = Code(value: .alreadyExists)
        /// The store is open for reading only, or its file system is.
        public static let readOnly = Code(value: .readOnly)
        /// The process may not read or write the store's files.
        public static let permissionDenied = Code(value: .permissionDenied)
        /// The disk is full; nothing was changed.
        public static let diskFull = Code(value: .diskFull)
        /// The store reached its maximum size; nothing was changed.
        public static let storeFull = Code(value: .storeFull)
        /// Any other failure below.
        public static let system = Code(value: .system)

        /// The code's name.
        public var description: String { value.rawValue }
    }

    /// What kind of failure it is.
    public let code: Code
    /// What is wrong, where, and what to do.
    public let message: String

    /// "code: message"
    public var description: String { "\(code): \(message)" }

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: LMDBError) {
        message = error.message
        code =
            switch error.code {
            case .notFound: .notFound
            case .notAnEnvironment, .versionMismatch, .databaseMissing: .notAStore
            case .corrupted: .corrupted
            case .permissionDenied: .permissionDenied
            case .readOnly, .alreadyOpen: .readOnly
            case .diskFull: .diskFull
            case .mapFull: .storeFull
            case .alreadyExists: .alreadyExists
            default: .system
            }
    }
}
