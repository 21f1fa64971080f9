import Basics

/// One version of one task, written `name@version`. It never changes once published.
public struct TaskVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The task's name.
    public let name: String
    /// From 1; never given twice, even after a removal.
    public let version: Int

    /// A version of a task.
    public init(name: String, version: Int) {
        self.name = name
        self.version = version
    }

    /// "name@version"
    public var description: String { "\(name)@\(version)" }

    /// By name, then by version.
    public static func < (left: Self, right: Self) -> Bool {
        left.name == right.name
            ? left.version < right.version : left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
}

/// What a request, a command or an alias calls a task by.
public enum TaskReference: Sendable, Hashable, CustomStringConvertible {
    /// A name: whatever its alias names now.
    case name(String)
    /// One version.
    case version(TaskVersion)

    /// Reads `name` or `name@version`.
    ///
    /// - Throws: `invalidReference`.
    public init(_ text: String) throws(PromptStoreError) {
        let end = text.utf8.firstIndex(of: 0x40) ?? text.utf8.endIndex
        let name = String(text[..<end])
        guard TaskName.isValid(name) else { throw Self.refusal(text) }
        guard end < text.utf8.endIndex else {
            self = .name(name)
            return
        }
        let digits = text.utf8[text.utf8.index(after: end)...]
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }), digits.first != 0x30,
            let version = Int(Substring(digits))
        else { throw Self.refusal(text) }
        self = .version(TaskVersion(name: name, version: version))
    }

    /// The name, with or without a version.
    public var name: String {
        switch self {
        case .name(let name): name
        case .version(let version): version.name
        }
    }

    /// The reference as it is written.
    public var description: String {
        switch self {
        case .name(let name): name
        case .version(let version): version.description
        }
    }

    static func requireName(_ text: String) throws(PromptStoreError) {
        guard TaskName.isValid(text) else {
            throw PromptStoreError(
                .invalidName,
                "\(text.quoted) is not a task's name: 1 to 128 of a-z, 0-9, \".\", \"_\" and \"-\","
                    + " beginning with a letter or digit")
        }
    }

    private static func refusal(_ text: String) -> PromptStoreError {
        PromptStoreError(
            .invalidReference,
            "\(text.quoted) is not a task: name or name@version, the name of a-z, 0-9, \".\", \"_\" and"
                + " \"-\", the version a number from 1")
    }
}
