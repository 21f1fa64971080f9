import Basics
import JSON

/// What the store says of one version of a task. It never changes once published.
public struct PromptManifest: Sendable, Equatable {
    /// Name and version.
    public let id: TaskVersion
    /// The SHA-256 of the prompt's frame, in hexadecimal.
    public let blob: String
    /// The number of virtual tokens.
    public let rows: Int
    /// The core's `d_model`.
    public let width: Int
    /// How the frame holds the values.
    public let elementType: PromptElementType
    /// The fingerprint of the core that the prompt is bound to.
    public let coreFingerprint: String
    /// The hash of the tokenizer that it was trained with, when known.
    public let tokenizerHash: String?
    /// The task's definition, which the store does not look into. Keys are sorted.
    public let definition: JSONObject
    /// Where the prompt comes from, which the store does not look into. Keys are sorted.
    public let provenance: JSONObject
    /// When it was published, in seconds since 1970 UTC.
    public let createdAt: Int

    /// The task's name.
    public var name: String { id.name }
    /// The version, from 1.
    public var version: Int { id.version }

    /// Refuses to serve the prompt on another core than its own.
    ///
    /// - Throws: `coreMismatch`, naming both fingerprints.
    public func requireCore(_ fingerprint: String) throws(PromptStoreError) {
        guard fingerprint == coreFingerprint else {
            throw PromptStoreError(
                .coreMismatch,
                "\(id) is bound to core \(coreFingerprint) and cannot be served on core \(fingerprint); load the"
                    + " former, or train or register the task for the latter")
        }
    }

    // MARK: Bytes

    /// No definition comes near it; a longer one is refused.
    static let maximumSize = 1 << 20

    var bytes: [UInt8] {
        var object = JSONObject([
            ("name", .string(name)), ("version", JSONValue(version)), ("blob", .string(blob)),
            ("rows", JSONValue(rows)), ("width", JSONValue(width)),
            ("element_type", .string(elementType.rawValue)), ("core", .string(coreFingerprint)),
            ("definition", .object(definition)), ("provenance", .object(provenance)),
            ("created", JSONValue(createdAt)),
        ])
        if let tokenizerHash { object["tokenizer"] = .string(tokenizerHash) }
        return CanonicalJSON.bytes(of: .object(object))
    }

    init(
        id: TaskVersion, blob: String, rows: Int, width: Int, elementType: PromptElementType,
        coreFingerprint: String, tokenizerHash: String?, definition: JSONObject, provenance: JSONObject,
        createdAt: Int
    ) {
        self.id = id
        self.blob = blob
        self.rows = rows
        self.width = width
        self.elementType = elementType
        self.coreFingerprint = coreFingerprint
        self.tokenizerHash = tokenizerHash
        self.definition = definition
        self.provenance = provenance
        self.createdAt = createdAt
    }

    /// Reads a manifest strictly: every member there and of its type, which `null` is not; none unknown, the name and version its key's.
    ///
    /// - Throws: `corrupted`, naming the key and the member.
    init(_ bytes: [UInt8], of id: TaskVersion) throws(PromptStoreError) {
        let reader = try ObjectReader(parsing: bytes, keys: Self.keys) { reason in
            PromptStoreError(
                .corrupted,
                "the manifest of \(id) is damaged: \(reason); remove the version and publish it again, or restore a"
                    + " backup")
        }
        func hash(_ member: ValueReader<PromptStoreError>) throws(PromptStoreError) -> String {
            try member.read("a SHA-256 in hexadecimal") { value in
                value.string.flatMap { SHA256.isHexadecimal($0) ? $0 : nil }
            }
        }
        _ = try reader.require("name").read("\"\(id.name)\"") {
            $0.string?.isSame(as: id.name) == true ? true : nil
        }
        _ = try reader.require("version").integer(in: id.version...id.version)
        self.id = id
        blob = try hash(reader.require("blob"))
        rows = try reader.require("rows").integer()
        width = try reader.require("width").integer()
        if let reason = SoftPrompt.reasonAgainst(rows: rows, width: width) { throw reader.refusal(reason) }
        elementType = try reader.require("element_type").choice()
        coreFingerprint = try hash(reader.require("core"))
        tokenizerHash = if let member = reader["tokenizer"] { try hash(member) } else { nil }
        definition = try reader.require("definition").object().object
        provenance = try reader.require("provenance").object().object
        createdAt = try reader.require("created").integer()
    }

    /// The key of the frame that a damaged manifest seems to name.
    static func blobNamed(in bytes: [UInt8]) -> [UInt8]? {
        guard let member = bytes.firstRange(of: Array("\"blob\":\"".utf8)) else { return nil }
        return [UInt8](hexadecimal: String(decoding: bytes[member.upperBound...].prefix(64), as: UTF8.self))
    }

    private static let keys = [
        "name", "version", "blob", "rows", "width", "element_type", "core", "tokenizer", "definition",
        "provenance", "created",
    ]
}
