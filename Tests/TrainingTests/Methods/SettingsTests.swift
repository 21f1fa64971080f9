import JSON
import Testing
import Training

@Suite("Settings of methods and optimizers")
struct SettingsTests {
    @Test("what is written is read as it was")
    func roundTrip() throws {
        for settings in MethodGolden.settings + [MethodSettings(.full)] {
            let read = try MethodSettings(json: settings.json)
            #expect(read.json == settings.json && read.method == settings.method)
        }
        #expect(try MethodSettings(json: JSONObject()) == MethodSettings(.prompt))
        var adafactor = AdafactorSettings()
        adafactor.beta1 = 0.5
        adafactor.parameterScaling = true
        var adamW = AdamWSettings()
        adamW.beta2 = 0.9
        for settings in [OptimizerSettings.adamW, .adafactor, .adafactor(adafactor), .adamW(adamW)] {
            #expect(try OptimizerSettings(json: settings.json) == settings)
            #expect(settings.makeOptimizer().settings == settings)
        }
    }

    @Test(
        "a setting that cannot be is refused with its key",
        arguments: [
            (
                #"{"method": "prompts"}"#,
                "\"method.method\": the string \"prompts\" was found, one of \"prompt\""
            ),
            (
                #"{"method": "prompt", "row": 3}"#,
                "unknown key \"method.row\"; the keys of the method prompt are method, rows"
            ),
            (#"{"method": "prompt", "rank": 3}"#, "unknown key \"method.rank\""),
            (#"{"method": "residual-lstm1", "bottleneck": 3}"#, "unknown key \"method.bottleneck\""),
            (
                #"{"method": "full", "rows": 3}"#,
                "unknown key \"method.rows\"; the keys of the method full are method"
            ),
            (
                #"{"rows": 0}"#,
                "\"method.rows\": the number 0 was found, an integer from 1 to 65536 was expected"
            ),
            (#"{"rows": 2.5}"#, "\"method.rows\": the number 2.5"), (#"{"rows": "20"}"#, "the string \"20\""),
            (#"{"method": "residual-mlp1", "bottleneck": 65537}"#, "\"method.bottleneck\""),
            (#"{"method": "residual-mlp1", "activation": "gelu"}"#, "one of \"relu\", \"tanh\", \"sigmoid\""),
            (#"{"method": "residual-mlp1", "layer_norm": 1}"#, "true or false"),
            (#"{"method": "dpt", "rank": -1}"#, "\"method.rank\""),
            (#"{"method": "ulpt", "latent": 1025}"#, "\"method.latent\""),
            (#"{"method": "superpos", "bases": null}"#, "\"method.bases\": null was found"),
        ])
    func refusedMethod(json: String, text: String) throws {
        let object = try #require(try JSONValue.parse(json).object)
        let error = #expect(throws: TrainingError.self) { try MethodSettings(json: object, at: "method.") }
        #expect(error?.message.contains(text) == true, "\(error as Any)")
    }

    @Test(
        "an optimizer that cannot be is refused with its key",
        arguments: [
            (#"{"name": "sgd"}"#, "one of \"adamw\", \"adafactor\""),
            (
                #"{"name": "adamw", "decay": 0.8}"#,
                "unknown key \"optimizer.decay\"; the keys of the optimizer adamw"
            ),
            (#"{"beta1": 1}"#, "\"optimizer.beta1\": the number 1 was found"),
            (#"{"epsilon": 0}"#, "\"optimizer.epsilon\""),
            (#"{"weight_decay": -1}"#, "a number from 0 to 1 was expected"),
            (#"{"name": "adafactor", "epsilon": 1}"#, "the keys of the optimizer adafactor"),
            (#"{"name": "adafactor", "beta1": 2}"#, "\"optimizer.beta1\""),
            (#"{"name": "adafactor", "clip_threshold": "1"}"#, "\"optimizer.clip_threshold\""),
        ])
    func refusedOptimizer(json: String, text: String) throws {
        let object = try #require(try JSONValue.parse(json).object)
        let error = #expect(throws: TrainingError.self) { try OptimizerSettings(json: object) }
        #expect(error?.message.contains(text) == true, "\(error as Any)")
    }

    @Test("what a core is too narrow or too wide for is refused")
    func widths() throws {
        func refused(_ settings: MethodSettings, width: Int, saying text: String) {
            let error = #expect(throws: TrainingError.self) { try settings.validate(width: width) }
            #expect(error?.message.contains(text) == true, "\(error as Any)")
        }
        refused(MethodSettings(.residualLSTM1), width: 7, saying: "even width")
        var separate = MethodSettings(.residualMLP1)
        separate.separateNetworks = true
        separate.rows = 1000
        refused(
            separate, width: 1024, saying: "\"separate_networks\": the networks would have 819200000 weights")
        refused(.plain(rows: 65_536), width: 4096, saying: "\"rows\"")
        refused(.plain(rows: 0), width: 8, saying: "\"rows\"")
        let error = #expect(throws: TrainingError.self) { try MethodSettings(.full).make() }
        #expect(error?.message.contains("no prompt") == true)
    }
}
