import ArgumentParser
import CommandSupport
import JSON
import PromptStore
import Serving
import T5
import Tensors

/// `polyprompt prompts nearest`
struct NearestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nearest", abstract: "Show the vocabulary pieces nearest to each row of a prompt.",
        discussion: """
            Prints a JSON object a row: {"row", "pieces": [{"id", "text", "similarity"}, …]}, the nearest \
            first. With --metric euclidean the number is called distance. Without a tokenizer the text is \
            null.
            """)

    @Option(help: ArgumentHelp("The core directory, or random:SHAPE.", valueName: "dir"))
    var core: String

    @OptionGroup var location: StoreOptions

    @OptionGroup var threads: ThreadOptions

    @Option(help: ArgumentHelp("Pieces a row, 1 to 1000.", valueName: "n"))
    var count = 5

    @Option(help: "How nearness is measured: cosine or euclidean.")
    var metric: RowMetric = .cosine

    @Argument(help: ArgumentHelp("name or name@version", valueName: "task"))
    var task: String

    func validate() throws {
        guard (1...1000).contains(count) else {
            throw ValidationError("--count is \(count); 1 to 1000 was expected")
        }
    }

    func run() throws {
        let store = try location.open(.readOnly)
        let pool = WorkerPool(threadCount: threads.count)
        // The embedding table is the same in every precision, and float32 packs nothing.
        let core = try T5Core(core, precision: .float32, pool: pool)
        guard case .task(let manifest) = try store.resolve(task, core: core.fingerprint) else {
            throw CommandError("\(task) is an ensemble; give one of its members (prompts show \(task))")
        }
        let vocabularySize = core.configuration.vocabularySize
        let tokenizer = try CoreTokenizer.load(self.core, vocabularySize: vocabularySize)
        let nearest = try core.nearestPieces(
            to: try store.prompt(for: manifest).values, count: count,
            below: tokenizer?.pieceCount ?? vocabularySize, metric: metric, pool: pool)
        let key = metric == .cosine ? "similarity" : "distance"
        for (row, pieces) in nearest.enumerated() {
            let objects = pieces.map { piece in
                JSONValue.object(
                    JSONObject([
                        ("id", JSONValue(piece.id)), ("text", JSONValue(tokenizer?.piece(piece.id))),
                        (key, JSONValue(piece.value)),
                    ]))
            }
            let line = JSONObject([("row", JSONValue(row)), ("pieces", .array(objects))])
            try StandardOutput.print(JSONValue.object(line).line)
        }
    }
}

extension RowMetric: ExpressibleByArgument {}
