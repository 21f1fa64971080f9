import Foundation
import JSON
import PromptStore
import Serving
import T5
import Tensors
import Training

/// A folder that goes with its owner.
final class TrainingFolder {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("polyprompt-training-\(UUID())")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: path(name), atomically: true, encoding: .utf8)
        return path(name)
    }

    func read(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

    func bytes(_ name: String) throws -> Data { try Data(contentsOf: url.appendingPathComponent(name)) }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    func json(_ name: String) throws -> JSONObject {
        try JSONValue.parse(Array(bytes(name))).object ?? JSONObject()
    }
}

/// A small task with rows of our own writing: whether a sentence is about food or about weather.
enum FoodTask {
    static let definition = """
        {"name": "topic", "template": "{input}", "max_input_tokens": 32,
         "labels": [{"label": "food", "text": "food"}, {"label": "weather", "text": "weather"}]}
        """

    private static let food = [
        "the soup needs a little more salt", "she baked bread with walnuts",
        "we ate fried fish by the harbour",
        "this cake is far too sweet", "he cooked rice and beans for dinner", "the cheese smells strong",
        "fresh strawberries with cream", "boil the potatoes for twenty minutes",
        "a bowl of noodles with pork",
        "my grandmother makes the best pies", "breakfast was eggs and toast", "slice the onions and fry them",
        "the restaurant serves grilled lamb", "a sandwich with ham and pickles", "the chef tasted the sauce",
        "pour the batter into the pan", "they shared a large pizza", "honey on warm pancakes",
    ]
    private static let weather = [
        "heavy rain is expected tonight", "the wind blew from the north all day",
        "a cold front brings snow on monday",
        "thick fog covered the valley", "it was the hottest summer in years", "thunder rolled over the hills",
        "clear skies and mild temperatures", "the storm flooded the coast",
        "frost on the windows this morning",
        "clouds gathered before noon", "the forecast says sunshine all week", "hail damaged the roofs",
        "a light drizzle began at dawn", "temperatures fall below zero at night",
        "the drought lasted until autumn",
        "strong gusts closed the bridge", "humid air and no breeze at all", "the blizzard lasted two days",
    ]

    static func lines(_ range: Range<Int>) -> String {
        range.flatMap { index in
            [("food", food[index]), ("weather", weather[index])].map { label, text in
                JSONValue.object(JSONObject([("input", .string(text)), ("label", .string(label))])).line
                    + "\n"
            }
        }.joined()
    }

    /// Writes the task and its rows into a folder.
    static func write(into folder: TrainingFolder) throws {
        try folder.write("task.json", definition)
        try folder.write("train.jsonl", lines(0..<12))
        try folder.write("dev.jsonl", lines(12..<16))
        try folder.write("test.jsonl", lines(16..<18))
    }
}

/// The embedded core.
enum EmbeddedCore {
    static let path = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("models/polyprompt-mini").path
}

/// Settings of a run on the embedded core over the folder's files, small and quick, with others put over them.
func settings(_ folder: TrainingFolder, _ others: KeyValuePairs<String, JSONValue> = [:]) throws -> JSONObject
{
    var object = JSONObject([
        ("core", .string(EmbeddedCore.path)), ("task", .string(folder.path("task.json"))),
        ("train", .string(folder.path("train.jsonl"))), ("dev", .string(folder.path("dev.jsonl"))),
        ("precision", "bfloat16"), ("training_precision", "bfloat16"), ("rows", 4), ("bottleneck", 32),
        ("steps", 6), ("batch", 4), ("evaluate_every", 3),
    ])
    for (key, value) in others { object[key] = value }
    return object
}

/// Trains what the settings say, in a folder below the given one.
@discardableResult
func train(
    _ folder: TrainingFolder, _ out: String, _ others: KeyValuePairs<String, JSONValue> = [:],
    resume: Bool = false,
    interruptedAfter steps: Int? = nil
) throws -> [JobResult] {
    let description = try RunDescription(json: settings(folder, others), at: "test")
    let run = try TrainingRun(description, folder: folder.path(out), resume: resume)
    var done = 0
    return try run.run(
        isInterrupted: { steps.map { done >= $0 } ?? false }, progress: { _ in done += 1 })
}

/// The values of a task folder's prompt.
func prompt(_ folder: TrainingFolder, _ out: String) throws -> SoftPrompt {
    try TaskFolder(path: folder.path(out)).prompt
}

extension TrainingFolder {
    /// A task folder that was written below this one.
    func storedPrompt(_ out: String) throws -> TaskFolder { try TaskFolder(path: path(out)) }
}
