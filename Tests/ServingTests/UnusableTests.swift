import Foundation
import JSON
import PromptStore
import Serving
import T5
import Tensors
import TestSupport
import Testing
import Tokenization

/// Tasks and cores that cannot serve what a request asks, and what they serve all the same.
@Suite("What cannot be served")
struct UnusableTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    /// A copy of the embedded core with some files changed.
    private func core(
        without names: Set<String> = [], _ change: (TemporaryFolder) throws -> Void = { _ in }
    ) throws -> TemporaryFolder {
        let copy = try TemporaryFolder()
        for name in ["config.json", "model.safetensors", "spiece.model"] where !names.contains(name) {
            try FileManager.default.copyItem(atPath: Repository.core + "/" + name, toPath: copy.file(name))
        }
        try change(copy)
        return copy
    }

    private func engine(_ folder: TemporaryFolder) throws -> InferenceEngine {
        let path = folder.path
        let core = try T5Core(path, precision: .float32, pool: fixture.pool)
        return InferenceEngine(
            core: core,
            tokenizer: try CoreTokenizer.load(path, vocabularySize: core.configuration.vocabularySize),
            store: fixture.store, pool: fixture.pool)
    }

    private func code(_ response: InferenceResponse) -> ServingError.Code? {
        if case .failure(let error) = response.result { error.code } else { nil }
    }

    @Test("a core without a tokenizer takes ids, and neither text nor labels")
    func noTokenizer() throws {
        try fixture.register(["spam"])
        try fixture.publish(#"{"name": "free", "template": "{input}"}"#)
        let engine = try engine(core(without: ["spiece.model"]))
        let responses = engine.answer([
            InferenceRequest(task: "free", input: .text("hello")),
            InferenceRequest(task: nil, input: .ids([5, 1]), labels: ["yes", "no"]),
            InferenceRequest(task: "spam", input: .ids([5, 1])),
            InferenceRequest(task: "free", input: .ids([5, 6, 1]), maximumNewTokens: 2),
            InferenceRequest(task: nil, input: .ids([5, 6, 1]), maximumNewTokens: 2),
        ])
        #expect(responses.prefix(3).map(code) == [.noTokenizer, .noTokenizer, .noTokenizer])
        for response in responses.suffix(2) {
            let answer = try response.result.get()
            #expect(!answer.outputIDs.isEmpty && answer.output == nil)
        }
        let withTokenizer = fixture.engine().answer([
            InferenceRequest(task: "free", input: .ids([5, 6, 1]), maximumNewTokens: 2)
        ])
        #expect(
            try withTokenizer[0].result.get().outputIDs == responses[3].result.get().outputIDs)
    }

    @Test("text whose ids the core has not got is refused, other text is answered")
    func surplusPieces() throws {
        // The embedding and the head cut to 8,050 rows: the tokenizer has 8,100 ids, the last are sentinels.
        let path = try core { copy in
            let file = try SafetensorsFile(path: Repository.core + "/model.safetensors")
            var cut: [(name: String, tensor: FileTensor)] = []
            for (name, entry) in file.entries.sorted(by: { $0.key < $1.key }) {
                let tensor = try #require(try file.tensor(name.string))
                var shape = entry.shape
                if shape[0] == 8192 { shape[0] = 8050 }
                let bytes = tensor.bytes.prefix(shape.reduce(tensor.elementType.size, *))
                cut.append(
                    (name.string, FileTensor(type: entry.elementType, shape: shape, bytes: Array(bytes))))
            }
            try copy.write("model.safetensors", TensorFile.safetensors(cut))
            var configuration = try copy.json("config.json")
            configuration["vocab_size"] = 8050
            try copy.write("config.json", JSONValue.object(configuration).line)
        }
        let responses = try engine(path).answer([
            InferenceRequest(task: nil, input: .text("a <extra_id_0>"), maximumNewTokens: 1),
            InferenceRequest(task: nil, input: .text("a <extra_id_99>"), maximumNewTokens: 1),
        ])
        #expect(responses.map(code) == [.idOutOfRange, nil])
        // Labels that the core lacks cost nobody else the answer.
        let others = try engine(path).answer([
            InferenceRequest(task: nil, input: .text("a"), maximumNewTokens: 1),
            InferenceRequest(task: nil, input: .text("a"), labels: ["<extra_id_0>", "b"]),
            InferenceRequest(task: nil, input: .text("a"), labels: ["a", "b"]),
        ])
        #expect(others.map(code) == [nil, .taskUnusable, nil])
        if case .failure(let error) = responses[0].result {
            #expect(error.message.contains("id 8099") && error.message.contains("0 to 8049"))
        }
    }

    @Test("more than 10,000 labels are refused, and so are labels that are too long")
    func tooManyLabels() throws {
        func labels(_ count: Int) -> String {
            (0..<count).map { "\"\($0)\"" }.joined(separator: ",")
        }
        let many = try fixture.failure(#"{"task": null, "input": "x", "labels": [\#(labels(10_001))]}"#)
        #expect(many.code == "invalid_request" && many.message.contains("10000"), "\(many)")
        let most = try fixture.answer([#"{"task": null, "input": "x", "labels": [\#(labels(10_000))]}"#])[0]
        #expect(most["scores"]?.object?.count == 10_000)
        for text in ["a ", "語 ", "ﷺ"] {
            let long = String(repeating: text, count: 1_000_000)
            let refused = try fixture.failure(#"{"task": null, "input": "x", "labels": ["y", "\#(long)"]}"#)
            #expect(refused.code == "invalid_request" && refused.message.contains("1024 ids"), "\(refused)")
        }
    }

    @Test("a stored definition that this release cannot read makes its task unusable, and no other")
    func unreadableDefinition() throws {
        try fixture.register(["spam"])
        let frame = try PromptFrame(
            SoftPrompt(rows: 1, width: 256, values: [Float](repeating: 0.5, count: 256)), as: .float32)
        for (name, definition) in [
            ("newer", #"{"name": "newer", "template": "{input}", "colour": "blue"}"#),
            ("broken", #"{"name": "broken", "template": 5}"#), ("empty", "{}"),
        ] {
            try fixture.store.publish(
                Publication(
                    name: name, frame: frame, coreFingerprint: fixture.core.fingerprint,
                    definition: try #require(try JSONValue.parse(definition).object)))
            let responses = try fixture.answer([
                #"{"task": "\#(name)", "input": "x"}"#, #"{"task": "spam", "input": "x"}"#,
            ])
            #expect(responses[0]["error"]?.object?["code"] == "task_unusable")
            let message = responses[0]["error"]?.object?["message"]?.string ?? ""
            #expect(message.contains("the definition of \(name)@1 cannot be used"), "\(message)")
            #expect(responses[1]["label"] != nil)
        }
    }

    @Test("an ensemble whose members' answers cannot become one is unusable")
    func ensembles() throws {
        func labels(_ second: String) -> String {
            #""labels": [{"label": "a", "text": "yes"}, {"label": "\#(second)", "text": "no"}]"#
        }
        let one = try fixture.publish(#"{"name": "one", "template": "{input}", \#(labels("b"))}"#).id
        let two = try fixture.publish(#"{"name": "two", "template": "{input}", \#(labels("c"))}"#, seed: 2).id
        let free = try fixture.publish(#"{"name": "free", "template": "{input}"}"#, seed: 3).id
        let other = try fixture.publish(#"{"name": "free", "template": "{input}"}"#, seed: 4).id
        for (members, combine, reason) in [
            ([one, two], Combination.mean, "different labels"), ([one, two], .majority, "different labels"),
            ([one, free], .mean, "different labels"), ([free, other], .mean, "needs labels"),
        ] {
            _ = try fixture.store.setAlias("both", to: .ensemble(members: members, combine: combine))
            let failure = try fixture.failure(#"{"task": "both", "input": "x"}"#)
            #expect(failure.code == "task_unusable" && failure.message.contains(reason), "\(failure)")
        }
        _ = try fixture.store.setAlias("both", to: .ensemble(members: [free, other], combine: .majority))
        #expect(try fixture.answer([#"{"task": "both", "input": "x", "max_tokens": 1}"#])[0]["error"] == nil)
    }

    @Test("the tokenizer of random cores cuts at a limit like others")
    func hashingTokenizer() throws {
        let tokenizer = try #require(try CoreTokenizer.load("random:t5-small", vocabularySize: 32_128))
        for text in ["", "  ", "a", "a b\tc\n d  ", " one two three four five"] {
            let full = tokenizer.encode(text)
            for limit in 1...8 {
                let (ids, isTruncated) = tokenizer.encode(text, limit: limit)
                #expect(ids == (full.count > limit ? full.prefix(limit - 1) + [1] : full))
                #expect(isTruncated == (full.count > limit))
            }
        }
    }
}
