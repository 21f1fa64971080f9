import Foundation
import JSON
import PromptStore
import Serving
import T5
import Tensors
import TestSupport
import Training

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
    static func write(into folder: TemporaryFolder) throws {
        try folder.write("task.json", definition)
        try folder.write("train.jsonl", lines(0..<12))
        try folder.write("dev.jsonl", lines(12..<16))
        try folder.write("test.jsonl", lines(16..<18))
    }
}

/// Settings of a run on the embedded core over the folder's files, small and quick, with others put over them.
func settings(_ folder: TemporaryFolder, _ others: KeyValuePairs<String, JSONValue> = [:]) throws
    -> JSONObject
{
    var object = JSONObject([
        ("core", .string(Repository.core)), ("task", .string(folder.file("task.json"))),
        ("train", .string(folder.file("train.jsonl"))), ("dev", .string(folder.file("dev.jsonl"))),
        ("precision", "bfloat16"), ("training_precision", "bfloat16"), ("rows", 4), ("bottleneck", 32),
        ("steps", 6), ("batch", 4), ("evaluate_every", 3),
    ])
    for (key, value) in others { object[key] = value }
    return object
}

/// Trains what the settings say, in a folder below the given one.
@discardableResult
func train(
    _ folder: TemporaryFolder, _ out: String, _ others: KeyValuePairs<String, JSONValue> = [:],
    resume: Bool = false,
    interruptedAfter steps: Int? = nil
) throws -> [JobResult] {
    let description = try RunDescription(json: settings(folder, others), at: "test")
    let run = try TrainingRun(description, folder: folder.file(out), resume: resume)
    var done = 0
    return try run.run(
        isInterrupted: { steps.map { done >= $0 } ?? false }, progress: { _ in done += 1 })
}

/// The values of a task folder's prompt.
func prompt(_ folder: TemporaryFolder, _ out: String) throws -> SoftPrompt {
    try TaskFolder(path: folder.file(out)).prompt
}

extension TemporaryFolder {
    /// A task folder that was written below this one.
    func storedPrompt(_ out: String) throws -> TaskFolder { try TaskFolder(path: file(out)) }
}
