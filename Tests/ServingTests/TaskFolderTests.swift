import Foundation
import JSON
import PromptStore
import Serving
import TestSupport
import Testing

@Suite("Task folders")
struct TaskFolderTests {
    let fixture: Fixture

    init() throws { fixture = try Fixture() }

    /// A safetensors file of float32 tensors of zeros.
    private func safetensors(_ shapes: [(name: String, shape: [Int])]) -> [UInt8] {
        TensorFile.safetensors(
            shapes.map { name, shape in
                (name, FileTensor(shape: shape, values: [Float](repeating: 0, count: shape.reduce(1, *))))
            })
    }

    /// A task folder with these files.
    private func folder(json: String?, prompt: [UInt8]?) throws -> String {
        let name = "\(UUID())"
        let path = try fixture.folder.makeFolder(name)
        if let json { try fixture.folder.write(name + "/task.json", json) }
        if let prompt { try fixture.folder.write(name + "/prompt.safetensors", prompt) }
        return path
    }

    private func refusal(_ path: String, name: String? = nil) -> String {
        do {
            _ = try TaskFolder(path: path, name: name)
            return "accepted"
        } catch {
            return error.message
        }
    }

    private let json = #"{"name": "mine", "template": "{input}"}"#

    @Test("without task.json or a prompt are refused, naming the file")
    func missingFiles() throws {
        let prompt = safetensors([("prompt_embeddings", [2, 256])])
        #expect(try refusal(folder(json: json, prompt: prompt)) == "accepted")
        let noTask = try folder(json: nil, prompt: prompt)
        #expect(refusal(noTask).contains("cannot open \(noTask)/task.json"))
        let noPrompt = try folder(json: json, prompt: nil)
        #expect(refusal(noPrompt).contains("\(noPrompt)/prompt.safetensors"))
    }

    @Test("have one matrix as their prompt, or one that is called prompt_embeddings")
    func tensors() throws {
        func refusal(_ shapes: [(name: String, shape: [Int])]) throws -> String {
            self.refusal(try folder(json: json, prompt: safetensors(shapes)))
        }
        #expect(try refusal([("x", [2, 256])]) == "accepted")
        #expect(try refusal([("x", [2, 256]), ("prompt_embeddings", [3, 256])]) == "accepted")
        #expect(try refusal([]).contains("holds 0 tensors and none is called prompt_embeddings"))
        #expect(
            try refusal([("x", [2, 256]), ("y", [2, 256])]).contains(
                "holds 2 tensors and none is called prompt_embeddings"))
        for shape in [[256], [1, 2, 256], []] {
            for name in ["x", "prompt_embeddings"] {
                let message = try refusal([(name, shape)])
                #expect(message.contains("tensor \(name) has shape \(shape); [rows, d_model]"), "\(message)")
            }
        }
    }

    @Test("have labels that the core's tokenizer tells apart, else they are not registered")
    func indistinguishableLabels() throws {
        let json =
            #"{"name": "same", "template": "{input}", "labels": [{"label": "a", "text": "龘"}, {"label": "b", "text": "靐"}]}"#
        let folder = try TaskFolder(
            path: folder(json: json, prompt: safetensors([("prompt_embeddings", [2, 256])])))
        let error = #expect(throws: ServingError.self) {
            try folder.publication(for: fixture.core, tokenizer: fixture.tokenizer)
        }
        #expect(error?.code == .taskUnusable)
        #expect(error?.message.contains("\"a\" and \"b\" are the same pieces") == true)
    }

    @Test("have label texts and a target prefix of bounded length, else they are not registered")
    func longTexts() throws {
        let long = String(repeating: "word ", count: 1024)
        let tooMany = (0..<200).map {
            #"{"label": "\#($0)", "text": "\#($0)\#(String(repeating: " a", count: 900))"}"#
        }
        for (member, text) in [
            (#""labels": [{"label": "a", "text": "x"}, {"label": "b", "text": "\#(long)"}]"#, "label \"b\""),
            (#""labels": [\#(tooMany.joined(separator: ","))]"#, "131072"),
            (#""target_prefix": "\#(long)""#, "target_prefix"),
        ] {
            let json = #"{"name": "long", "template": "{input}", \#(member)}"#
            let folder = try TaskFolder(
                path: folder(json: json, prompt: safetensors([("prompt_embeddings", [2, 256])])))
            let error = #expect(throws: ServingError.self) {
                try folder.publication(for: fixture.core, tokenizer: fixture.tokenizer)
            }
            #expect(
                error?.code == .taskUnusable && error?.message.contains(text) == true,
                "\(error?.message ?? "")")
        }
    }

    private static let published = "prompts/google_sst2_t5_1_1_lm100k_base.npy"

    @Test(
        "a prompt that others published, a bare .npy matrix, is read",
        .needsShared(published))
    func publishedPrompt() throws {
        let folder = try TaskFolder(path: Repository.shared(Self.published), name: "sst2")
        #expect(folder.prompt.rows == 100 && folder.prompt.width == 768)
        #expect(folder.prompt.values.contains { $0 != 0 })
        #expect(folder.storedType == .float32 && folder.definition.name == "sst2")
        // It is for T5-base, and the embedded core is narrower.
        let error = #expect(throws: ServingError.self) {
            try folder.publication(for: fixture.core, tokenizer: fixture.tokenizer)
        }
        #expect(error?.code == .wrongCore && error?.message.contains("768 wide") == true)
    }
}
