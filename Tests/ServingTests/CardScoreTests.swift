import Foundation
import Serving
import Tasks
import Testing

/// The shipped prompts on the public data that their cards name, where that data is at hand.
@Suite("Scores of the shipped prompts on their test sets")
struct CardScoreTests {
    struct Entry: Sendable, CustomTestStringConvertible {
        let task: String
        let folder: String
        /// The data's labels where the task renames them.
        var renamed = ""
        /// The card's score, on all rows.
        let card: Double
        /// What transformers gives in float32, to the row, where known.
        var exact: Double?

        var testDescription: String { task }
    }

    static let data = Fixture.package.deletingLastPathComponent().appendingPathComponent("shared/tasks")

    /// Of longer test sets this many rows are asked.
    static let rows = 2000

    static let entries = [
        Entry(task: "sentiment", folder: "sst2", card: 0.775),
        Entry(
            task: "news-topic", folder: "agnews",
            renamed: "World=world,Sports=sports,Business=business,Sci/Tech=science and technology",
            card: 0.812),
        Entry(task: "question-type", folder: "trec", card: 0.826, exact: 0.826),
        Entry(task: "spam", folder: "sms_spam", renamed: "ham=not spam", card: 0.989, exact: 0.9890),
        Entry(
            task: "assistant-intent", folder: "snips",
            renamed: "AddToPlaylist=add to playlist,BookRestaurant=book restaurant,GetWeather=get weather,"
                + "PlayMusic=play music,RateBook=rate book,SearchCreativeWork=search creative work,"
                + "SearchScreeningEvent=search screening event", card: 0.943),
        Entry(task: "emotion", folder: "tweet_emotion", card: 0.644),
        Entry(task: "support-domain", folder: "clinc_domain", card: 0.780),
        Entry(task: "subjectivity", folder: "subj", card: 0.878),
    ]

    @Test("the card's score is reproduced within a point", arguments: entries)
    func score(entry: Entry) throws {
        let path = Self.data.appendingPathComponent("\(entry.folder)/test.jsonl").path
        guard let bytes = FileManager.default.contents(atPath: path) else {
            print("SKIPPED: the score of \(entry.task), because its test set \(entry.folder) is not at hand")
            return
        }
        let fixture = try Fixture()
        try fixture.register([entry.task])
        let definition = try TaskFolder(path: Fixture.promptPath(entry.task)).definition
        let labelMap = entry.renamed.isEmpty ? LabelMap() : try LabelMap(parsing: entry.renamed)
        let reader = try LabelledExampleReader(definition, labelMap: labelMap, unknownLabels: .refuse)
        let examples = try reader.read(Array(bytes), file: path).examples.prefix(Self.rows)
        #expect(examples.count >= 500)
        let responses = fixture.engine().answer(
            examples.map { InferenceRequest(task: entry.task, input: .rendered($0.text)) })
        let answers = try zip(examples, responses).map { example, response in
            EvaluatedAnswer(prediction: try response.result.get().label ?? "", references: example.answers)
        }
        let score = try definition.metric.score(answers, labels: definition.verbalizer?.names ?? [])
        print(
            "\(entry.task): \(definition.metric.rawValue) \(score) on \(examples.count) rows, card \(entry.card)"
        )
        #expect(abs(score - entry.card) <= 0.01, "\(score)")
        if let exact = entry.exact { #expect(abs(score - exact) < 0.5 / Double(examples.count), "\(score)") }
    }
}
