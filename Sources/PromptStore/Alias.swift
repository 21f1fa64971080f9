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
        do {
            var object = try StrictObject(bytes)
            self.name = name
            target = try object.take("target", "a target", AliasTarget.init(json:))
            history = try object.take("history", "a list of targets") { value in
                try value.array?.map { element in
                    guard let target = try AliasTarget(json: element) else {
                        throw StrictObject.Problem(message: "\"history\" has something else than targets")
                    }
                    return target
                }
            }
            try object.finish()
        } catch {
            let reason = (error as? StrictObject.Problem)?.message ?? "\(error)"
            throw PromptStoreError(
                .corrupted,
                "the alias \"\(name)\" is damaged: \(reason); remove \"\(name)\" and publish it again, or restore a"
                    + " backup")
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

    fileprivate init?(json: JSONValue) throws {
        func version(_ value: JSONValue) -> TaskVersion? {
            guard let text = value.string, case .version(let version)? = try? TaskReference(text) else {
                return nil
            }
            return version
        }
        if case .object(let object) = json {
            var object = StrictObject(object)
            let combine = try object.take("combine", "mean or majority") {
                $0.string.flatMap(Combination.init(rawValue:))
            }
            let members = try object.take("members", "a list of versions") { value -> [TaskVersion]? in
                let members = value.array?.map(version) ?? []
                return members.isEmpty || members.contains(nil) ? nil : members.compactMap { $0 }
            }
            try object.finish()
            self = .ensemble(members: members, combine: combine)
        } else {
            guard let version = version(json) else { return nil }
            self = .version(version)
        }
    }
}
