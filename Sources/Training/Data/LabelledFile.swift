import Basics
import Foundation
import T5
import Tasks

/// A file of labelled rows, read for a task.
public struct LabelledFile: Sendable {
    /// The file.
    public let path: String
    /// The rows, in order.
    public let examples: [LabelledExample]
    /// Labels of the file that the task does not have, each once; only where such rows are kept.
    public let unknownLabels: [String]
    /// The SHA-256 of the file's bytes, in hexadecimal.
    public let hash: String

    /// A file may have this many bytes; it is held in memory.
    public static let maximumSize = FileLimit.data

    /// Reads JSON Lines, or by the file's name `.csv` or `.tsv` with a header.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - definition: The task's fields and labels.
    ///   - labelMap: The file's labels under the task's names.
    ///   - unknownLabels: Refuse labels that the task lacks (training data), or keep them as wrong (dev and test).
    /// - Throws: `TrainingError` naming the file and the line.
    public init(
        path: String, for definition: TaskDefinition, labelMap: LabelMap = LabelMap(),
        unknownLabels: LabelledExampleReader.UnknownLabels
    ) throws(TrainingError) {
        let bytes = try FileAccess.read(path, limit: Self.maximumSize)
        let contents: LabelledExampleReader.Contents
        do {
            contents = try LabelledExampleReader(
                definition, labelMap: labelMap, unknownLabels: unknownLabels
            ).read(bytes, file: path, format: .init(file: path))
        } catch {
            throw TrainingError(wrapping: error)
        }
        guard !contents.examples.isEmpty else {
            throw TrainingError("\(path) has no rows; at least one was expected")
        }
        self.path = path
        examples = contents.examples
        self.unknownLabels = contents.unknownLabels
        hash = SHA256.digest(of: bytes).hexadecimal
    }
}
