import Foundation
import TestSupport
import Testing
import Tokenization

@Suite("Loading a core's tokenizer")
struct TokenizerLoaderTests {
    private func failure(_ files: [String: [UInt8]]) -> TokenizerError? {
        #expect(throws: TokenizerError.self) { try Files.tokenizer(files) }
    }

    @Test("says that a core without tokenizer works on ids only")
    func noTokenizer() {
        for files in [
            [:], ["config.json": Array("{}".utf8)],
            ["tokenizer_config.json": Array(#"{"tokenizer_class": "T5Tokenizer"}"#.utf8)],
            ["tokenizer.json": Array("{}".utf8)],
        ] as [[String: [UInt8]]] {
            let error = failure(files)
            #expect(error?.message.contains("ids only") == true)
        }
        #expect(throws: TokenizerError.self) { try TokenizerLoader.load(directory: "/nowhere/at all") }
    }

    @Test(
        "refuses a bad tokenizer_config.json",
        arguments: [
            "", "{", "[]", "null", #"{"tokenizer_class": 3}"#, #"{"extra_ids": -1}"#, #"{"extra_ids": 1.5}"#,
            #"{"extra_ids": "100"}"#, #"{"extra_ids": 99999999999}"#,
            #"{"additional_special_tokens": ["<extra_id_1>"]}"#,
            #"{"added_tokens_decoder": {"8000": {"content": "<extra_id_1>"}}}"#,
            #"{"added_tokens_decoder": {"x": {"content": "<extra_id_0>"}}}"#,
            #"{"added_tokens_decoder": {"-1": {"content": "<extra_id_0>"}}}"#,
            #"{"added_tokens_decoder": {"1": {"content": "<extra_id_0>"}}}"#,
            #"{"added_tokens_decoder": {"500": {"content": "<extra_id_0>"}}}"#,
            #"{"added_tokens_decoder": {"08": {"content": "<extra_id_0>"}, "8": {"content": "<extra_id_1>"}}}"#,
            #"{"tokenizer_class": "ByT5Tokenizer", "added_tokens_decoder": {"1": {"content": "<extra_id_0>"}}}"#,
        ])
    func badConfiguration(text: String) throws {
        let error = try failure([
            "spiece.model": Files.bytes(Files.miniModel), "tokenizer_config.json": Array(text.utf8),
        ])
        #expect(error?.message.contains("tokenizer_config.json") == true)
    }

    @Test("refuses a model that is empty, cut off or something else")
    func badModel() throws {
        var generator = SeededGenerator(state: 1)
        let model = try Files.bytes(Files.miniModel)
        for bytes in [[], [0], Array("hello".utf8), generator.bytes(4096), Array(model.prefix(100_001))] {
            let error = failure(["spiece.model": bytes])
            #expect(error?.message.contains("spiece.model") == true)
        }
    }

    @Test("refuses what is not a regular file of sensible size")
    func badFile() throws {
        let folder = try TemporaryFolder()
        func refusal() -> String? {
            (#expect(throws: TokenizerError.self) { try TokenizerLoader.load(directory: folder.path) })?
                .message
        }
        try folder.makeFolder("spiece.model")
        #expect(refusal()?.contains("is a directory; a regular file was expected") == true)
        try folder.remove("spiece.model")

        #expect(mkfifo(folder.file("spiece.model"), 0o600) == 0)
        #expect(refusal()?.contains("is a named pipe; a regular file was expected") == true)
        try folder.remove("spiece.model")

        // A hole of 1 TiB: refused by its size, before anything is allocated.
        let model = try folder.write("spiece.model", "")
        #expect(truncate(model, 1 << 40) == 0)
        #expect(refusal()?.contains("1099511627776 bytes") == true)
    }

    @Test("refuses a model without an end of sequence")
    func noEnd() {
        var builder = ModelBuilder()
        builder.pieces[1].kind = .normal
        #expect(throws: TokenizerError.self) { try SentencePieceTokenizer(model: builder.model) }
        builder.pieces[1].kind = .control
        #expect(throws: Never.self) { try SentencePieceTokenizer(model: builder.model) }
    }
}
