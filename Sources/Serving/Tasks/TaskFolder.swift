import Basics
import Foundation
import JSON
import PromptStore
import T5
import Tasks
import Tensors
import Tokenization

/// A task as files: `task.json` and `prompt.safetensors` in a folder, or a bare matrix with a name.
public struct TaskFolder: Sendable {
    /// What the task is.
    public let definition: TaskDefinition
    /// The projected prompt.
    public let prompt: SoftPrompt
    /// How the file stores the prompt.
    public let storedType: PromptElementType
    /// The prompt file's metadata: `core_fingerprint` binds it to a core, the rest is its recipe.
    public let metadata: [ByteText: String]
    /// Where the prompt was read.
    public let path: String

    /// The tensor's name in a prompt file.
    public static let tensorName = "prompt_embeddings"
    /// The metadata key that binds a prompt file to a core.
    public static let fingerprintKey = "core_fingerprint"

    /// Reads a task folder, or a bare `.npy` or `.safetensors` matrix `[rows, d_model]`.
    ///
    /// - Parameters:
    ///   - path: The folder or file.
    ///   - name: The task's name, instead of the one in `task.json`; a bare matrix needs it.
    /// - Throws: `ServingError` naming the file and what is wrong with it.
    public init(path: String, name: String? = nil) throws(ServingError) {
        do {
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
                throw ServingError(.unreadable, "there is no task folder or prompt file \(path)")
            }
            if isDirectory.boolValue {
                let file = path + "/task.json"
                let bytes: [UInt8]
                do { bytes = try readRegularFile(file, limit: FileLimit.settings) } catch {
                    throw ServingError(
                        .unreadable, "\(error)\(error.isMissing ? ": a task folder has a task.json" : "")",
                        cause: error)
                }
                do {
                    let definition = try TaskDefinition(parsing: bytes)
                    self.definition = try name.map { try definition.named($0) } ?? definition
                } catch {
                    throw ServingError(.taskUnusable, wrapping: error, at: file)
                }
                self.path = path + "/prompt.safetensors"
            } else {
                guard let name else {
                    throw ServingError(.unreadable, "\(path) is a bare prompt: give its task's name (--name)")
                }
                definition = try TaskDefinition(name: name, template: Template("{input}"))
                self.path = path
            }
            if self.path.hasSuffix(".safetensors") {
                (prompt, storedType, metadata) = try Self.readSafetensors(self.path)
            } else {
                let matrix = try NumpyFile.readMatrix(path: self.path)
                prompt = try SoftPrompt(rows: matrix.rows, width: matrix.columns, values: matrix.values)
                storedType = .float32
                metadata = [:]
            }
        } catch let error as TensorError {
            throw ServingError(.unreadable, wrapping: error)
        } catch {
            throw ServingError(.taskUnusable, wrapping: error, at: path)
        }
    }

    private static func readSafetensors(
        _ path: String
    ) throws -> (SoftPrompt, PromptElementType, [ByteText: String]) {
        let file = try SafetensorsFile(path: path)
        let only = file.entries.count == 1 ? file.entries.keys.first?.string : nil
        guard let name = file.entries[tensorName] != nil ? tensorName : only,
            let tensor = try file.tensor(name)
        else {
            throw ServingError(
                .taskUnusable,
                "\(path) holds \(file.entries.count) tensors and none is called \(tensorName) [rows, d_model]"
            )
        }
        guard tensor.shape.count == 2 else {
            throw ServingError(
                .taskUnusable,
                "\(path): tensor \(name.excerpt) has shape \(tensor.shape.shown); [rows, d_model] was expected"
            )
        }
        return (
            try SoftPrompt(rows: tensor.shape[0], width: tensor.shape[1], values: tensor.values()),
            PromptElementType(tensor.elementType), file.metadata
        )
    }

    /// What to publish in a store for a core.
    ///
    /// - Parameters:
    ///   - core: The core that is to serve it.
    ///   - tokenizer: The core's tokenizer; `nil` when it has none.
    ///   - elementType: How the store holds the values; as the file does when `nil`, which loses nothing.
    /// - Throws: `ServingError` when the prompt is of another width or bound to another core, or the labels
    ///   cannot be told apart by the core's tokenizer.
    public func publication(
        for core: T5Core, tokenizer: (any Tokenizer)?, elementType: PromptElementType? = nil
    ) throws(ServingError) -> Publication {
        guard prompt.width == core.configuration.modelWidth else {
            throw ServingError(
                .wrongCore,
                "\(path): the prompt is \(prompt.width) wide; this core's rows are "
                    + "\(core.configuration.modelWidth) wide (d_model)")
        }
        if let bound = metadata[Self.fingerprintKey], bound != core.fingerprint {
            throw ServingError(
                .wrongCore,
                "\(path) was made for the core \(bound.excerpt); this core is \(core.fingerprint)")
        }
        // Whatever would keep the task from being served is said now, not with the first request.
        if tokenizer != nil || definition.verbalizer == nil {
            _ = try ServedTask(manifest: nil, definition: definition, tokenizer: tokenizer)
        }
        var provenance = JSONObject()
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) where !key.string.isSame(as: "format") {
            provenance[key.string] = .string(value)
        }
        do {
            return Publication(
                name: definition.name, frame: try PromptFrame(prompt, as: elementType ?? storedType),
                coreFingerprint: core.fingerprint,
                tokenizerHash: tokenizer.map { SHA256.digest(of: $0.identityBytes).hexadecimal },
                definition: definition.json, provenance: provenance)
        } catch {
            throw ServingError(.taskUnusable, wrapping: error, at: path)
        }
    }
}
