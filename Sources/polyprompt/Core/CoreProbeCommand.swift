import ArgumentParser
import CommandSupport
import Foundation
import JSON
import Serving
import T5

/// `polyprompt core probe`: a core's numbers for given rows and ids, to compare with another implementation.
struct CoreProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Print a core's numbers for given ids, to compare with another implementation.",
        discussion: """
            Reads JSON Lines {"prompt": [[…]], "input_ids": […], "labels": [[…]]} from standard input and \
            writes {"encoder_first", "encoder_last" (8 numbers of the first and last encoder row), \
            "first_logits" (16), "greedy" (12 new ids at most), "beam4" (the same with 4 beams, length \
            penalty 1), "label_log_likelihood" (over the whole vocabulary, for exactly the given ids)} to \
            standard output. A bad line ends it.
            """)

    @OptionGroup var compute: ComputeOptions

    func run() throws {
        let pool = compute.makePool()
        let core = try compute.loadCore(pool)
        let session = T5Session(core: core, pool: pool)
        var reader = LineReader()
        var line = 0
        while let next = try reader.next() {
            line += 1
            let answer: JSONValue
            do {
                guard case .bytes(let bytes) = next else {
                    throw CommandError("longer than \(LineReader.maximumLineLength) bytes")
                }
                if next.isBlank { continue }
                answer = try probe(ProbeInput(bytes, width: core.configuration.modelWidth), session)
            } catch {
                throw CommandError("standard input, line \(line): \(error)")
            }
            try StandardOutput.print(answer.line)
        }
    }

    private func probe(_ input: ProbeInput, _ session: T5Session) throws -> JSONValue {
        let encoded = try session.encode([T5Input(rows: input.prompt, ids: input.ids)])
        guard encoded.isFinite(0) else {
            throw CommandError("the core's numbers for these rows and ids are not finite")
        }
        let rows = encoded.rows(of: 0)
        let width = session.core.configuration.modelWidth
        let greedy = GenerationOptions(maximumNewTokens: 12)
        var beams = greedy
        beams.decoding.beamCount = 4
        let generations = try session.generate(encoded, [(0, greedy), (0, beams)])
        let scores = try session.scoreLabels(
            encoded, [(0, LabelPlan(LabelTrie(input.labels), over: .vocabulary))])[0]
        guard scores.allSatisfy(\.isFinite) else {
            throw CommandError("the labels' log-likelihoods are not finite")
        }
        return [
            "encoder_first": JSONValue(Array(rows.prefix(min(8, width)))),
            "encoder_last": JSONValue(Array(rows.suffix(width).prefix(8))),
            "first_logits": JSONValue(Array(session.firstLogits(encoded, sequence: 0).prefix(16))),
            "greedy": JSONValue(generations[0].ids.map(Int.init)),
            "beam4": JSONValue(generations[1].ids.map(Int.init)),
            "label_log_likelihood": .array(scores.map { JSONValue($0) }),
        ]
    }
}

/// One line of a probe's input.
private struct ProbeInput {
    /// `[rows, d_model]`, flattened.
    var prompt: [Float] = []
    let ids: [Int32]
    var labels: [[Int32]] = []

    init(_ bytes: [UInt8], width: Int) throws(CommandError) {
        let reader = try ObjectReader(parsing: bytes, keys: ["prompt", "input_ids", "labels"]) { message in
            CommandError(message)
        }
        for row in try reader["prompt"]?.elements(of: "rows") ?? [] { prompt += try row.floats(count: width) }
        ids = try reader["input_ids"]?.integers() ?? []
        for label in try reader["labels"]?.elements(of: "lists of ids") ?? [] {
            labels.append(try label.integers(count: 1...Int.max))
        }
    }
}
