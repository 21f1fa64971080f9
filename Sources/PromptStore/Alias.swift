import JSON

/// How an ensemble's members become one answer.
public enum Combination: String, Sendable, CaseIterable {
    /// The mean of the members' probabilities.
    case mean
    /// The label that most members choose.
    case majority
}

/// What a name stands for.
public enum AliasTarget: Sendable, Hashable, CustomStringConvertible {
    /// One version of a task, of the same name or another.
    case version(TaskVersion)
    /// Several that answer as one.
    case ensemble(members: [TaskVersion], combine: Combination)

    /// The versions named.
    public var versions: [TaskVersion] {
        switch self {
        case .version(let version): [version]
        case .ensemble(let members, _): members
        }
    }

    /// "spam@3" or "mean of spam@1, spam@2"
    public var description: String {
        switch self {
        case .version(let version): version.description
        case .ensemble(let members, let combine):
            "\(combine.rawValue) of \(members.map(\.description).joined(separator: ", "))"
        }
    }
}

/// A name's present target and the earlier ones, to which it can be rolled back.
public struct Alias: Sendable, Equatable {
    /// How many earlier targets are kept.
    public static let maximumHistory = 32
    /// How many members an ensemble may have.
    public static let maximumMembers = 64

    /// The name.
    public let name: String
    /// What it stands for.
    public internal(set) var target: AliasTarget
    /// What it stood for before, the latest last.
    public internal(set) var history: [AliasTarget]

    /// Points the alias elsewhere and remembers where it pointed.
    mutating func move(to new: AliasTarget) {
        guard new != target else { return }
        history.append(target)
        history.removeFirst(max(0, history.count - Self.maximumHistory))
        target = new
    }
}

// MARK: Bytes

extension Alias {
    var bytes: [UInt8] {
        CanonicalJSON.bytes(
            of: .object(JSONObject([("target", target.json), ("history", .array(history.map(\.json)))])))
    }

    /// - Throws: `corrupted`, naming the alias and the member.
    init(_ bytes: [UInt8], name: String) throws(PromptStoreError) {
        let reader = try ObjectReader(parsing: bytes, keys: ["target", "history"]) { reason in
            PromptStoreError(
                .corrupted,
                "the alias \"\(name)\" is damaged: \(reason); point it at a version again (prompts alias) or restore"
                    + " a backup")
        }
        self.name = name
        target = try AliasTarget(reader.require("target"))
        history = []
        for element in try reader.require("history").elements(of: "targets") {
            history.append(try AliasTarget(element))
        }
    }
}

extension AliasTarget {
    fileprivate var json: JSONValue {
        switch self {
        case .version(let version): .string(version.description)
        case .ensemble(let members, let combine):
            .object(
                JSONObject([
                    ("combine", .string(combine.rawValue)),
                    ("members", .array(members.map { .string($0.description) })),
                ]))
        }
    }

    fileprivate init(_ reader: ValueReader<PromptStoreError>) throws(PromptStoreError) {
        func version(_ reader: ValueReader<PromptStoreError>) throws(PromptStoreError) -> TaskVersion {
            try reader.read("name@version") { value in
                guard case .version(let version)? = value.string.flatMap({ try? TaskReference($0) }) else {
                    return nil
                }
                return version
            }
        }
        guard reader.value.object != nil else {
            self = .version(try version(reader))
            return
        }
        let ensemble = try reader.object(keys: ["combine", "members"])
        var members: [TaskVersion] = []
        for element in try ensemble.require("members").elements(of: "versions", count: 1...Int.max) {
            members.append(try version(element))
        }
        self = .ensemble(members: members, combine: try ensemble.require("combine").choice())
    }
}
