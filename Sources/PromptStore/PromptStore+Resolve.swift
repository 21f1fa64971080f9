import Basics
import LMDB

/// Several tasks that answer as one.
public struct Ensemble: Sendable, Equatable {
    /// The alias that names it.
    public let name: String
    /// The members, bound to one core.
    public let members: [PromptManifest]
    /// How their answers become one.
    public let combine: Combination
}

/// What a reference stands for.
public enum Resolution: Sendable, Equatable {
    /// One version of a task.
    case task(PromptManifest)
    /// Several that answer as one.
    case ensemble(Ensemble)

    /// The versions that take part.
    public var manifests: [PromptManifest] {
        switch self {
        case .task(let manifest): [manifest]
        case .ensemble(let ensemble): ensemble.members
        }
    }
}

extension PromptStore {
    /// What `name` or `name@version` stands for at this moment, whichever process published it.
    ///
    /// A few microseconds: a read transaction and, for a version not met before, parsing its manifest.
    ///
    /// - Parameters:
    ///   - reference: `name` or `name@version`.
    ///   - core: The fingerprint of the core that is to serve it; `nil` for any.
    /// - Throws: `invalidReference`, `notFound`, `coreMismatch`, `corrupted`.
    public func resolve(_ reference: String, core: String? = nil) throws(PromptStoreError) -> Resolution {
        let reference = try TaskReference(reference)
        let resolution = try reading { transaction in try resolve(reference, in: transaction) }
        if let core {
            for manifest in resolution.manifests { try manifest.requireCore(core) }
        }
        return resolution
    }

    private func resolve(
        _ reference: TaskReference, in transaction: borrowing ReadTransaction
    ) throws -> Resolution {
        let name: String
        switch reference {
        case .version(let id):
            guard let manifest = try manifest(id, in: transaction) else { throw notFound(reference) }
            return .task(manifest)
        case .name(let alias): name = alias
        }
        guard let alias = try alias(name, in: transaction) else {
            throw try versions(of: name, in: transaction).isEmpty ? notFound(reference) : missingAlias(name)
        }
        let members = try targets(of: alias, in: transaction)
        switch alias.target {
        case .version: return .task(members[0])
        case .ensemble(_, let combine):
            return .ensemble(Ensemble(name: name, members: members, combine: combine))
        }
    }

    func notFound(_ reference: TaskReference) -> PromptStoreError {
        PromptStoreError(.notFound, "\(path): there is no task \(reference); list shows what there is")
    }

    /// The manifest's prompt, decoded, from memory when it was used lately.
    ///
    /// Prompts are kept by their content: equal prompts of different tasks are one. The array's storage is shared,
    /// not copied.
    ///
    /// - Throws: `corrupted` when the frame is missing, damaged, or not what the manifest says.
    public func prompt(for manifest: PromptManifest) throws(PromptStoreError) -> SoftPrompt {
        if let resident = prompts.value(for: manifest.blob) { return resident }
        let prompt: SoftPrompt = try reading { transaction in
            try self.prompt(for: manifest, in: transaction)
        }
        prompts.insert(prompt, for: manifest.blob, cost: prompt.values.count * MemoryLayout<Float>.size)
        return prompt
    }

    private func prompt(
        for manifest: PromptManifest, in transaction: borrowing ReadTransaction
    ) throws -> SoftPrompt {
        func damage(_ reason: String) -> PromptStoreError {
            PromptStoreError(
                .corrupted,
                "\(path): the prompt of \(manifest.id) (blob \(manifest.blob)) is damaged: \(reason); publish the same"
                    + " again or restore a backup")
        }
        let key = [UInt8](hexadecimal: manifest.blob) ?? []
        let prompt = try transaction.withValue(of: key, in: schema.blob) { frame in
            guard frame.withUnsafeBytes({ PromptFrame.hash($0) }) == manifest.blob else {
                throw damage("its bytes do not have that SHA-256")
            }
            let (prompt, type) = try PromptFrame.decode(frame)
            guard (prompt.rows, prompt.width, type) == (manifest.rows, manifest.width, manifest.elementType)
            else {
                throw damage("its shape or element type is not the manifest's")
            }
            return prompt
        }
        guard let prompt else { throw damage("it is missing") }
        return prompt
    }

    /// The prompt's frame as it is stored, to hand on unchanged.
    ///
    /// - Throws: as `prompt(for:)`.
    public func frame(for manifest: PromptManifest) throws(PromptStoreError) -> PromptFrame {
        let bytes = try reading { transaction in
            try transaction.value(of: [UInt8](hexadecimal: manifest.blob) ?? [], in: schema.blob)
        }
        guard let bytes, let frame = try? PromptFrame(bytes: bytes), frame.hash == manifest.blob else {
            throw PromptStoreError(
                .corrupted,
                "\(path): the prompt of \(manifest.id) (blob \(manifest.blob)) is missing or damaged; restore a backup"
            )
        }
        return frame
    }

    /// How many decoded prompts are resident, their bytes, and how often one was asked for and there.
    public var residency: CacheStatistics { prompts.statistics }
}
