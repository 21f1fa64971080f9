import Foundation
import JSON
import Tasks

/// A task to train: its definition and its files of labelled rows.
public struct TaskSource: Sendable, Hashable {
    /// A `task.json`, or a folder with one.
    public var task: String
    /// The training rows.
    public var train: String
    /// The rows by which prompts are chosen; `nil` splits some off the training rows.
    public var dev: String?
    /// The rows that are read once, at the end; `nil` for none.
    public var test: String?
    /// Labels of the files under the task's names, `FROM=TO,…`; `nil` leaves them as they are.
    public var map: String?

    /// A task to train.
    public init(task: String, train: String, dev: String? = nil, test: String? = nil, map: String? = nil) {
        self.task = task
        self.train = train
        self.dev = dev
        self.test = test
        self.map = map
    }

    /// The keys of the JSON form.
    static let keys = ["task", "train", "dev", "test", "map"]

    /// The JSON form's members, those that there are.
    var json: JSONObject {
        let members: [(String, String?)] = [
            ("task", task), ("train", train), ("dev", dev), ("test", test), ("map", map),
        ]
        return JSONObject(members.compactMap { key, value in value.map { (key, .string($0)) } })
    }

    /// Reads the task's definition.
    ///
    /// - Throws: `TrainingError` naming the file and what is wrong with it.
    public func definition() throws(TrainingError) -> TaskDefinition {
        var isDirectory: ObjCBool = false
        let isFolder = FileManager.default.fileExists(atPath: task, isDirectory: &isDirectory)
        let file = isFolder && isDirectory.boolValue ? task + "/task.json" : task
        let bytes = try FileAccess.readDefinition(file)
        do { return try TaskDefinition(parsing: bytes) } catch {
            throw TrainingError(wrapping: error, at: file)
        }
    }

    func labelMap() throws(TrainingError) -> LabelMap {
        do {
            return try map.map { text throws(TaskError) in try LabelMap(parsing: text) } ?? LabelMap()
        } catch {
            throw TrainingError("map: \(error.message)")
        }
    }
}
