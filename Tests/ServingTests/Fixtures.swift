import Basics
import Foundation
import JSON
import PromptStore
import Serving
import T5
import Tasks
import Tensors
import TestSupport
import Tokenization

/// The embedded core, and a store of the shipped prompts made for one test.
final class Fixture {
    /// Loaded once: the core is immutable.
    static let shared = Result { () throws -> (core: T5Core, tokenizer: any Tokenizer, pool: WorkerPool) in
        let pool = WorkerPool(threadCount: 2)
        return (
            try T5Core(Repository.core, precision: .float32, pool: pool),
            try TokenizerLoader.load(directory: Repository.core), pool
        )
    }

    let core: T5Core
    let tokenizer: any Tokenizer
    let pool: WorkerPool
    let store: PromptStore
    let folder: TemporaryFolder

    init() throws {
        (core, tokenizer, pool) = try Self.shared.get()
        folder = try TemporaryFolder()
        store = try PromptStore(path: folder.file("store"), mode: .readWrite)
    }

    static let taskNames = [
        "assistant-intent", "emotion", "news-topic", "question-type", "sentiment", "spam", "subjectivity",
        "support-domain",
    ]

    /// Registers shipped tasks.
    func register(_ names: [String] = Fixture.taskNames) throws {
        for name in names {
            let folder = try TaskFolder(path: Repository.prompt(name))
            try store.publish(try folder.publication(for: core, tokenizer: tokenizer))
        }
    }

    /// Publishes a prompt for a definition written as JSON.
    @discardableResult
    func publish(_ definition: String, rows: Int = 3, seed: UInt64 = 1, core fingerprint: String? = nil)
        throws
        -> Published
    {
        let definition = try TaskDefinition(parsing: Array(definition.utf8))
        var generator = SplitMix64(state: seed)
        let width = core.configuration.modelWidth
        let values = (0..<rows * width).map { _ in Float.random(in: -2...2, using: &generator) }
        return try store.publish(
            Publication(
                name: definition.name,
                frame: PromptFrame(SoftPrompt(rows: rows, width: width, values: values), as: .float32),
                coreFingerprint: fingerprint ?? core.fingerprint, definition: definition.json))
    }

    func engine(batchRows: Int = InferenceEngine.defaultBatchRows) -> sending InferenceEngine {
        InferenceEngine(core: core, tokenizer: tokenizer, store: store, pool: pool, batchRows: batchRows)
    }

    /// Answers request lines and returns the response lines as JSON objects.
    func answer(_ lines: [String], batchRows: Int = InferenceEngine.defaultBatchRows) throws -> [JSONObject] {
        let name = "\(UUID())"
        let input = try folder.write(name + ".in", lines.joined(separator: "\n"))
        let output = folder.file(name + ".out")
        var reader = try LineReader(path: input)
        _ = try BatchInference(engine: engine(batchRows: batchRows)).run(&reader, LineWriter(path: output))
        return try folder.text(name + ".out").split(separator: "\n").map {
            try JSONValue.parse(String($0)).object ?? JSONObject()
        }
    }

    /// The error code and message of a single request line.
    func failure(_ line: String) throws -> (code: String, message: String) {
        let response = try answer([line]).first ?? JSONObject()
        let error = response["error"]?.object
        return (
            error?["code"]?.string ?? "none", error?["message"]?.string ?? JSONValue.object(response).line
        )
    }
}

extension JSONObject {
    func scores() -> [String: Double] {
        var scores: [String: Double] = [:]
        for (label, value) in self["scores"]?.object ?? JSONObject() { scores[label] = value.double }
        return scores
    }
}
