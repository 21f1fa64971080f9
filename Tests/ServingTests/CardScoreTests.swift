import Foundation
import Serving
import Tasks
import TestSupport
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
        /// What float32 gives on the first 250 rows.
        let first: Double
        /// What transformers gives in float32, to the row, where known.
        var exact: Double?

        var testDescription: String { task }
    }

    /// Of longer test sets this many rows are asked.
    static let rows = TestLength.count(250, long: 2000)

    static let entries = [
        Entry(task: "sentiment", folder: "sst2", card: 0.775, first: 0.764),
        Entry(
            task: "news-topic", folder: "agnews",
            renamed: "World=world,Sports=sports,Business=business,Sci/Tech=science and technology",
            card: 0.812, first: 0.82),
        Entry(task: "question-type", folder: "trec", card: 0.826, first: 0.84, exact: 0.826),
        Entry(
            task: "spam", folder: "sms_spam", renamed: "ham=not spam", card: 0.989, first: 0.988,
            exact: 0.9890),
        Entry(
            task: "assistant-intent", folder: "snips",
            renamed: "AddToPlaylist=add to playlist,BookRestaurant=book restaurant,GetWeather=get weather,"
                + "PlayMusic=play music,RateBook=rate book,SearchCreativeWork=search creative work,"
                + "SearchScreeningEvent=search screening event", card: 0.943, first: 0.96),
        Entry(task: "emotion", folder: "tweet_emotion", card: 0.644, first: 0.64),
        Entry(task: "support-domain", folder: "clinc_domain", card: 0.780, first: 0.72),
        Entry(task: "subjectivity", folder: "subj", card: 0.878, first: 0.872),
    ]

    @Test(
        "the card's score is reproduced within a point, that of the first rows to a row", arguments: entries)
    func score(entry: Entry) throws {
        let path = Repository.shared("tasks/\(entry.folder)/test.jsonl")
        guard let bytes = FileManager.default.contents(atPath: path) else {
            printSkipped("the score of \(entry.task)", because: "\(path) is not there")
            return
        }
        let fixture = try Fixture()
        try fixture.register([entry.task])
        let definition = try TaskFolder(path: Repository.prompt(entry.task)).definition
        let labelMap = entry.renamed.isEmpty ? LabelMap() : try LabelMap(parsing: entry.renamed)
        let reader = try LabelledExampleReader(definition, labelMap: labelMap, unknownLabels: .refuse)
        let examples = try reader.read(Array(bytes), file: path).examples.prefix(Self.rows)
        let responses = fixture.engine().answer(
            examples.map { InferenceRequest(task: entry.task, input: .rendered($0.input)) })
        let answers = try zip(examples, responses).map { example, response in
            EvaluatedAnswer(prediction: try response.result.get().label ?? "", references: example.answers)
        }
        let score = try definition.metric.score(answers, labels: definition.verbalizer?.names ?? [])
        print(
            "\(entry.task): \(definition.metric.rawValue) \(score) on \(examples.count) rows, card \(entry.card)"
        )
        guard TestLength.isLong else {
            // A row whose labels are about as likely may go the other way on another CPU.
            #expect(
                examples.count == Self.rows && abs(score - entry.first) < 1.5 / Double(Self.rows), "\(score)")
            return
        }
        #expect(examples.count >= 500 && abs(score - entry.card) <= 0.01, "\(score)")
        if let exact = entry.exact { #expect(abs(score - exact) < 0.5 / Double(examples.count), "\(score)") }
    }
}
