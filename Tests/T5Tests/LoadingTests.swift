import Foundation
import JSON
import T5
import Tensors
import TestSupport
import Testing

@Suite("A core that cannot be loaded")
struct LoadingTests {
    @Test("says that config.json is missing, not JSON, or no object")
    func noConfiguration() throws {
        let folder = try CoreFiles().write()
        #expect(folder.failure.message == "it loaded")
        for (text, expected) in [
            ("{", "not JSON"), ("[]", "an empty array was found, an object was expected"),
        ] {
            try folder.write("config.json", text)
            #expect(folder.failure.code == .configuration)
            #expect(folder.failure.message.contains("config.json: \(expected)"))
        }
        try folder.remove("config.json")
        #expect(folder.failure.code == .unreadable)
        #expect(folder.failure.message.contains("config.json"))
    }

    @Test(
        "names the key of config.json that has a wrong type, is out of range or is not known",
        arguments: [
            ("vocab_size", "\"100\""), ("vocab_size", "0"), ("vocab_size", "16777217"), ("d_model", "-1"),
            ("d_model", "64.5"), ("d_model", "1e30"), ("d_kv", "[]"), ("d_ff", "true"), ("num_layers", "0"),
            ("num_decoder_layers", "{}"), ("num_heads", "99999999999999999999"), ("num_heads", "16777216"),
            ("relative_attention_num_buckets", "31"), ("relative_attention_num_buckets", "2"),
            ("relative_attention_max_distance", "16"), ("layer_norm_epsilon", "-1e-6"),
            ("layer_norm_epsilon", "1"), ("layer_norm_epsilon", "\"1e-6\""), ("model_type", "5"),
            ("model_type", "\"bert\""), ("feed_forward_proj", "\"gated-silu\""),
            ("feed_forward_proj", "\"gelu\""),
            ("tie_word_embeddings", "1"), ("scale_decoder_outputs", "\"no\""), ("pad_token_id", "100"),
            ("decoder_start_token_id", "-1"), ("eos_token_id", "100"), ("eos_token_id", "[1]"),
        ])
    func badConfiguration(key: String, value: String) throws {
        var files = try CoreFiles()
        files.configuration[key] = try JSONValue.parse(value)
        let failure = try files.write().failure
        #expect(failure.code == .configuration, "\(failure)")
        #expect(failure.message.contains("config.json: ") && failure.message.contains("was expected"))
        // The two numbers of the position bias are checked together.
        let named = key == "relative_attention_max_distance" ? "relative_attention_num_buckets" : key
        #expect(failure.message.contains(named), "\(failure)")
    }

    @Test("says how to save weights when there are none")
    func noWeights() throws {
        let folder = try CoreFiles().write()
        try folder.remove("model.safetensors")
        #expect(folder.failure.code == .unreadable)
        #expect(folder.failure.message.contains("safe_serialization=True"))
    }

    @Test("names the index of its shards and what is wrong with it")
    func badIndex() throws {
        let files = try CoreFiles()
        let folder = try files.write(shards: 2)
        #expect(folder.failure.message == "it loaded")
        func refused(_ index: String, saying text: String) throws {
            try folder.write(CoreFiles.index, index)
            let failure = folder.failure
            #expect(failure.code != nil && failure.message.contains(text), "\(failure)")
        }
        try refused("{", saying: "\(CoreFiles.index): not JSON")
        try refused("{}", saying: "\(CoreFiles.index): the key \"weight_map\" is missing")
        try refused(
            #"{"weight_map": []}"#, saying: "\(CoreFiles.index): \"weight_map\": an empty array was found")
        for file in [#""../x.safetensors""#, #""/etc/passwd""#, #""..""#, #"".""#, #""""#, "1", "null"] {
            try refused(
                #"{"weight_map": {"shared.weight": \#(file)}}"#,
                saying: "\(CoreFiles.index): \"weight_map.shared.weight\": ")
        }
        try refused(#"{"weight_map": {"shared.weight": "none.safetensors"}}"#, saying: "none.safetensors")
        // `shared.weight` is the last of the names, so it lies in the other shard.
        let other = files.tensors.count % 2 == 0 ? 0 : 1
        try refused(
            #"{"weight_map": {"shared.weight": "shard-\#(other).safetensors"}}"#,
            saying: "places shared.weight in shard-\(other).safetensors, which does not hold it")
        try refused(
            #"{"weight_map": {"shared.weight": "shard-\#(1 - other).safetensors"}}"#,
            saying: "lacks the tensor")
    }

    @Test("names each tensor that is missing, with the shape it should have")
    func missingTensors() throws {
        let files = try CoreFiles()
        #expect(files.tensors.count > 40)
        for name in files.tensors.keys {
            var files = files
            files.tensors[name] = nil
            let failure = try files.write().failure
            #expect(failure.code == .weights)
            #expect(failure.message.contains("lacks the tensor \(name) ["), "\(failure)")
        }
    }

    @Test("names each tensor of another shape than its configuration makes it, with both shapes")
    func wrongShapes() throws {
        let files = try CoreFiles()
        for (name, tensor) in files.tensors {
            var files = files
            // The same bytes as one row more or less would be are still a sound file.
            files.tensors[name]?.shape = [1] + tensor.shape
            let failure = try files.write().failure
            #expect(failure.code == .weights)
            let shapes =
                "tensor \(name) has shape \([1] + tensor.shape); config.json makes it \(tensor.shape)"
            #expect(failure.message.contains(shapes), "\(failure)")
        }
    }

    @Test(
        "is refused when it has more layers than its configuration states", arguments: ["encoder", "decoder"])
    func surplusLayers(stack: String) throws {
        var files = try CoreFiles()
        files.configuration[stack == "encoder" ? "num_layers" : "num_decoder_layers"] = 1
        let failure = try files.write().failure
        #expect(failure.code == .weights)
        #expect(failure.message.contains("holds \(stack).block.1."), "\(failure)")
        #expect(failure.message.contains("states 1 \(stack) layers"), "\(failure)")
    }

    @Test("needs a head of its own when its configuration says that it has one")
    func noHead() throws {
        var files = try CoreFiles()
        files.configuration["tie_word_embeddings"] = false
        let failure = try files.write().failure
        #expect(failure.message.contains("lacks the tensor lm_head.weight [100, 64]"), "\(failure)")
        files.copy("shared.weight", to: ["lm_head.weight"], removingOld: false)
        #expect(try files.write().failure.message == "it loaded")
    }

    @Test(
        "names the tensor and the place of a value that is not finite",
        arguments: [Float.nan, .infinity, -.infinity])
    func notFinite(value: Float) throws {
        let files = try CoreFiles()
        for (name, tensor) in files.tensors {
            var files = files
            let count = tensor.shape.reduce(1, *)
            files.set(name, at: count - 1, to: value)
            let failure = try files.write().failure
            #expect(failure.code == .weights)
            let place = tensor.shape.map { $0 - 1 }
            #expect(
                failure.message.contains("tensor \(name) has a value at \(place) that is not finite"),
                "\(failure)")
        }
    }

    @Test("is found to have values that are not finite in 16 bits too", arguments: ["F16", "BF16"])
    func notFinite16(type: String) throws {
        var files = try CoreFiles()
        for (name, tensor) in files.tensors {
            files.tensors[name]?.type = type
            let halves = stride(from: 0, to: tensor.bytes.count, by: 4).map { start in
                let bits = (0..<4).reduce(UInt32(0)) {
                    $0 | UInt32(tensor.bytes[start + $1]) << UInt32(8 * $1)
                }
                return type == "F16" ? Float16(Float(bitPattern: bits)).bitPattern : UInt16(bits >> 16)
            }
            files.tensors[name]?.bytes = halves.flatMap(\.littleEndianBytes)
        }
        #expect(try files.write().failure.message == "it loaded")
        let name = "decoder.block.1.layer.2.DenseReluDense.wo.weight"
        // A NaN and an infinity: all bits of the exponent are set. Index 165 is row 2, column 5.
        for high in type == "F16" ? [0x7C, 0xFC, 0x7E] as [UInt8] : [0x7F, 0xFF] {
            var files = files
            files.tensors[name]?.bytes[330] = 0x80
            files.tensors[name]?.bytes[331] = high
            #expect(try files.write().failure.message.contains("tensor \(name) has a value at [2, 5]"))
        }
    }

    @Test("does not mind tensors that it does not use, whatever they hold")
    func unusedTensors() throws {
        var files = try CoreFiles("duplicate-embeddings")
        files.set("lm_head.weight", at: 0, to: .nan)
        #expect(try files.write().failure.message == "it loaded")
    }

    @Test(
        "has its embedding under any of the names that checkpoints give it",
        arguments: [
            ["encoder.embed_tokens.weight"], ["decoder.embed_tokens.weight"], ["lm_head.weight"],
            ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"],
        ])
    func embeddingNames(names: [String]) throws {
        var files = try CoreFiles()
        let reference = try files.write().numbers([5, 6, 1])
        files.copy("shared.weight", to: names, removingOld: true)
        #expect(try files.write().numbers([5, 6, 1]) == reference)
    }
}

@Suite("Rows given to a core")
struct InputRowTests {
    @Test(
        "are refused when a value is not finite, naming its place",
        arguments: [Float.nan, .infinity, -.infinity])
    func notFinite(value: Float) throws {
        let golden = try GoldenCase("v1_0-relu-tied")
        let pool = WorkerPool(threadCount: 1)
        let session = T5Session(
            core: try T5Core(golden.directory, precision: .float32, pool: pool), pool: pool)
        let width = session.core.configuration.modelWidth
        var rows = [Float](repeating: 0.5, count: 3 * width)
        #expect(throws: Never.self) { try session.encode([T5Input(rows: rows, ids: [5])]) }
        rows[2 * width + 7] = value
        let error = #expect(throws: T5Error.self) {
            try session.encode([T5Input(rows: [], ids: [5]), T5Input(rows: rows, ids: [5])])
        }
        #expect(error?.code == .input)
        #expect(error?.message.contains("row 2, column 7 is \(value)") == true, "\(error?.message ?? "")")
    }
}
