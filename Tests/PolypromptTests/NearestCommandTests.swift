import Foundation
import JSON
import T5
import Tensors
import TestSupport
import Testing

@Suite("polyprompt prompts nearest")
struct NearestCommandTests {
    let folder: TemporaryFolder
    let store: String

    init() throws {
        folder = try TemporaryFolder()
        store = folder.file("store")
    }

    private func nearest(_ arguments: String...) throws -> Command {
        try Command.polyprompt(
            ["prompts", "nearest", "--core", Repository.core, "--store", store] + arguments)
    }

    private func register(_ name: String, rows: [Float]) throws {
        let file = try folder.write(
            "rows.npy", TensorFile.numpy(rows: rows.count / 256, columns: 256, rows))
        let result = try Command.polyprompt([
            "prompts", "register", "--core", Repository.core, "--store", store, "--name", name, file,
        ])
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test("a row that is a piece's embedding is nearest to that piece, by either measure")
    func embeddings() throws {
        let core = try T5Core(Repository.core, precision: .float32, pool: WorkerPool(threadCount: 2))
        let ids: [Int32] = [500, 3000]
        // Longer than the piece's own: the angle does not change, the distance does.
        try register(
            "pieces", rows: try core.embeddings(of: ids) + (try core.embeddings(of: [500]).map { 3 * $0 }))
        for (metric, key, value) in [("cosine", "similarity", 1.0), ("euclidean", "distance", 0.0)] {
            let result = try nearest("--metric", metric, "--count", "3", "pieces")
            #expect(result.status == 0, "\(result.errors)")
            let lines = try result.lines
            #expect(lines.map { $0["row"] } == [0, 1, 2])
            for (line, id) in zip(lines, ids) {
                let pieces = try #require(line["pieces"]?.array)
                #expect(pieces.count == 3)
                #expect(pieces[0].object?["id"]?.int == Int(id))
                #expect(abs((pieces[0].object?[key]?.double ?? 9) - value) < 1e-5)
                let text = try #require(pieces[0].object?["text"]?.string)
                #expect(!text.isEmpty)
                let values = pieces.compactMap { $0.object?[key]?.double }
                #expect(values == (metric == "cosine" ? values.sorted(by: >) : values.sorted()))
            }
            let scaled = try #require(lines[2]["pieces"]?.array?[0].object)
            #expect((abs((scaled[key]?.double ?? 9) - value) < 1e-5) == (metric == "cosine"))
        }
    }

    @Test("the pieces are those that a search one by one finds", arguments: RowMetric.allCases)
    func search(metric: RowMetric) throws {
        let pool = WorkerPool(threadCount: 2)
        let core = try T5Core(Repository.core, precision: .float32, pool: pool)
        let limit = 5_000
        let table = try core.embeddings(of: Array(0..<Int32(limit))).map { Double($0) }
        let rows = (0..<3 * 256).map { Float(sin(Double($0 * $0))) }
        let found = try core.nearestPieces(to: rows, count: 20, below: limit, metric: metric, pool: pool)
        #expect(found.count == 3)
        for (row, pieces) in found.enumerated() {
            let row = rows[row * 256..<(row + 1) * 256].map { Double($0) }
            let values = (0..<limit).map { id in
                let piece = table[id * 256..<(id + 1) * 256]
                switch metric {
                case .euclidean:
                    return zip(row, piece).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
                case .cosine:
                    let dot = zip(row, piece).reduce(0) { $0 + $1.0 * $1.1 }
                    let squares = row.reduce(0) { $0 + $1 * $1 } * piece.reduce(0) { $0 + $1 * $1 }
                    return -dot / squares.squareRoot()
                }
            }
            let expected = (0..<limit).sorted { values[$0] < values[$1] }.prefix(20)
            #expect(pieces.map { Int($0.id) } == Array(expected))
        }
        #expect(throws: T5Error.self) { try core.nearestPieces(to: [1, 2, 3], count: 1, pool: pool) }
        #expect(throws: T5Error.self) { try core.embeddings(of: [0, 8192]) }
        #expect(try core.nearestPieces(to: rows, count: 0, pool: pool) == [[], [], []])
        #expect(try core.nearestPieces(to: rows, count: 9, below: 4, pool: pool).allSatisfy { $0.count == 4 })
    }

    @Test("an ensemble, another core's prompt, an unknown task and a bad count are refused")
    func refusals() throws {
        for name in ["one", "two"] { try register(name, rows: [Float](repeating: 1, count: 256)) }
        try Command.polyprompt([
            "prompts", "alias", "--store", store, "both", "--ensemble", "one@1,two@1", "--combine",
            "majority",
        ])
        func refused(_ result: Command, _ text: String) {
            #expect(
                result.status != 0 && result.output.isEmpty && result.errors.contains(text),
                "\(result.errors)")
        }
        refused(try nearest("both"), "both is an ensemble")
        refused(try nearest("none"), "none")
        refused(try nearest("--count", "0", "one"), "--count is 0")
        refused(try nearest("--metric", "dot", "one"), "dot")
        refused(
            try Command.polyprompt([
                "prompts", "nearest", "--core", "random:t5-small", "--store", store, "one",
            ]),
            "core")
        #expect(try nearest("--count", "2", "one@1").lines.count == 1)
    }
}
