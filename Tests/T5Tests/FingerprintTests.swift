import JSON
import T5
import Testing

@Suite("A core's fingerprint")
struct FingerprintTests {
    private func fingerprint(_ files: CoreFiles) throws -> String { try files.write().load().fingerprint }

    @Test("is 64 hexadecimal digits, the same at every loading")
    func form() throws {
        let files = try CoreFiles()
        let fingerprint = try fingerprint(files)
        #expect(fingerprint.count == 64 && fingerprint.allSatisfy { $0.isHexDigit && !$0.isUppercase })
        #expect(try self.fingerprint(files) == fingerprint)
    }

    @Test("does not depend on how tensors are spread over files")
    func shards() throws {
        let files = try CoreFiles()
        let reference = try fingerprint(files)
        for shards in [1, 2, 5] { #expect(try files.write(shards: shards).load().fingerprint == reference) }
    }

    @Test("does not depend on second copies of a tensor, nor on tensors that are not used")
    func duplicates() throws {
        var files = try CoreFiles()
        let reference = try fingerprint(files)
        files.copy(
            "shared.weight",
            to: ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight", "unused"],
            removingOld: false)
        #expect(try fingerprint(files) == reference)
    }

    @Test("does not depend on keys of config.json that change nothing")
    func otherKeys() throws {
        var files = try CoreFiles()
        let reference = try fingerprint(files)
        files.configuration["dropout_rate"] = 0
        files.configuration["n_positions"] = 4096
        files.configuration["transformers_version"] = "4.1.0"
        files.configuration["_name_or_path"] = "elsewhere"
        #expect(try fingerprint(files) == reference)
        // Defaults may be stated or left out.
        files.configuration["decoder_start_token_id"] = .null
        files.configuration["layer_norm_epsilon"] = .null
        #expect(try fingerprint(files) == reference)
    }

    @Test("differs when one bit of any weight does")
    func weights() throws {
        let files = try CoreFiles()
        var seen: Set<String> = [try fingerprint(files)]
        for (name, tensor) in files.tensors {
            var files = files
            files.tensors[name]?.bytes[tensor.bytes.count - 4] ^= 1
            #expect(seen.insert(try fingerprint(files)).inserted, "\(name)")
        }
    }

    @Test(
        "differs when a field of the configuration does that changes the result",
        arguments: [
            ("relative_attention_max_distance", "64"), ("layer_norm_epsilon", "1e-5"), ("eos_token_id", "2"),
            ("decoder_start_token_id", "3"), ("pad_token_id", "3"), ("scale_decoder_outputs", "false"),
        ])
    func configuration(key: String, value: String) throws {
        var files = try CoreFiles()
        let reference = try fingerprint(files)
        // The start id is the padding's unless it is stated.
        if key == "pad_token_id" { files.configuration["decoder_start_token_id"] = .null }
        files.configuration[key] = try JSONValue.parse(value)
        #expect(try fingerprint(files) != reference)
    }

    @Test("differs when the head is another tensor than the embedding")
    func head() throws {
        var files = try CoreFiles()
        files.copy("shared.weight", to: ["lm_head.weight"], removingOld: false)
        let tied = try fingerprint(files)
        files.configuration["tie_word_embeddings"] = false
        let untied = try fingerprint(files)
        #expect(untied != tied)
        files.set("lm_head.weight", at: 3, to: 0.25)
        #expect(try fingerprint(files) != untied)
    }
}
