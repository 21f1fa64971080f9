import Basics
import Foundation
import T5
import Tensors

/// Writes a core's directory beside its destination, then gives it its name.
struct CoreDirectory {
    /// The directory whose other files are copied.
    let source: String
    let destination: String

    /// What a tokenizer and `transformers` read beside the weights.
    private static let copied = [
        "config.json", "generation_config.json", "spiece.model", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json",
    ]
    /// Everything that is ever written there.
    static let files = copied + ["model.safetensors"]

    /// - Parameters:
    ///   - types: How to store a tensor of that name; float32 where none is given.
    ///   - others: Other files that are to be there, by their names.
    func write(
        _ tensors: [StoredTensor], types: [String: ElementType], others: [(name: String, text: String)]
    ) throws {
        let files = FileManager.default
        guard files.fileExists(atPath: source + "/config.json") else {
            throw T5Error(.unwritable, "\(source) has no config.json to write with the core")
        }
        // Renaming replaces an empty directory only; anything else there stays.
        if files.fileExists(atPath: destination),
            try !(files.contentsOfDirectory(atPath: destination).isEmpty)
        {
            throw T5Error(.unwritable, "\(destination) exists already; name a directory that does not")
        }
        let weights = "model.safetensors"
        try makeFolder(URL(fileURLWithPath: destination).deletingLastPathComponent().path)
        let partial = try PartialFolder(for: destination, files: Self.copied + [weights] + others.map(\.name))
        for name in Self.copied where files.fileExists(atPath: "\(source)/\(name)") {
            let bytes = try readRegularFile("\(source)/\(name)", limit: FileLimit.index)
            try writeFile(bytes, to: "\(partial.path)/\(name)")
        }
        for (name, text) in others { try writeFile(Array(text.utf8), to: "\(partial.path)/\(name)") }
        try SafetensorsWriter.write(
            tensors.map { SafetensorsWriter.Tensor($0, type: types[$0.name] ?? .float32) },
            metadata: [("format", "pt")], to: "\(partial.path)/\(weights)")
        try partial.commit()
    }
}
