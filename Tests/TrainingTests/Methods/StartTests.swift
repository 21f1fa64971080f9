import Basics
import Tensors
import Testing
import Training

@Suite("How methods start")
struct StartTests {
    @Test("plain and residual prompts start with the rows they are given")
    func rows() throws {
        for method in [TrainingMethod.prompt, .residualMLP1, .residualMLP2, .residualLSTM1, .residualLSTM2] {
            var settings = MethodSettings(method)
            settings.rows = 3
            var generator = SplitMix64(seed: 1, stream: 1)
            let rows = try PromptInitialization.vocabulary.rows(
                3, from: MethodGolden.source(width: 8), using: &generator)
            #expect(try settings.make(initialization: .vocabulary).parameters[0].values == rows)
        }
    }

    @Test(
        "a method that can represent the rows starts with them, one that cannot near them",
        arguments: [TrainingMethod.dpt, .ulpt, .superpos])
    func approximation(method: TrainingMethod) throws {
        var settings = MethodSettings(method)
        settings.rows = 10
        let rows = try MethodSettings.plain(rows: 10).make(initialization: .vocabulary).evaluate()
        func error(_ size: Int) throws -> Float {
            settings.rank = size
            settings.latent = size
            settings.bases = size
            let prompt = try settings.make(initialization: .vocabulary).evaluate()
            let difference = zip(prompt, rows).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            return (difference / rows.reduce(0) { $0 + $1 * $1 }).squareRoot()
        }
        let errors = try [24, 7, 1].map(error)
        #expect(errors[0] < 1e-3 && errors[1] < errors[2] && errors[2] < 1)
    }

    @Test("DPT finds the rows' own rank, and leaves what is beyond it trainable")
    func lowRank() throws {
        var settings = MethodSettings(.dpt)
        settings.rows = 4
        settings.rank = 3
        // One piece four times over: rank 1.
        let method = try settings.make(initialization: .text("aaaa"))
        let row = MethodGolden.source(width: 8).embedding(97)
        #expect(MethodGolden.difference(method.evaluate(), row + row + row + row) < 1e-5)
        let right = method.parameters[1].values
        for component in 0..<3 { #expect(right[component * 8..<component * 8 + 8].contains { $0 != 0 }) }
        let (a, b) = (method.parameters[0].values, right)
        let left = (0..<4).reduce(0) { $0 + a[$1 * 3] * a[$1 * 3] }
        #expect(abs(left - b[0..<8].reduce(0) { $0 + $1 * $1 }) < 1e-3 * left)
    }

    @Test("networks start as torch's do")
    func networks() throws {
        var settings = MethodSettings(.residualMLP1)
        settings.bottleneck = 100
        let method = try settings.make(width: 64)
        func check(_ parameter: TrainableParameter, bound: Float) {
            #expect(parameter.values.allSatisfy { abs($0) <= bound }, "\(parameter.name)")
            #expect((parameter.values.map(abs).max() ?? 0) > 0.9 * bound, "\(parameter.name)")
        }
        let byName = Dictionary(uniqueKeysWithValues: method.parameters.map { ($0.name, $0) })
        check(try #require(byName["network1.down.weight"]), bound: 1 / 8)
        check(try #require(byName["network1.down.bias"]), bound: 1 / 8)
        check(try #require(byName["network1.up.weight"]), bound: 0.1)
        check(try #require(byName["network1.up.bias"]), bound: 0.1)
        #expect(byName["network1.norm.weight"]?.values == [Float](repeating: 1, count: 64))
        #expect(byName["network1.norm.bias"]?.values == [Float](repeating: 0, count: 64))
        for parameter in try MethodSettings(.residualLSTM2).make(width: 32).parameters.dropFirst() {
            check(parameter, bound: 1 / 4)
            #expect(parameter.group == .network)
        }
    }

    @Test("two networks, and networks for each row, begin with different weights")
    func distinct() throws {
        var settings = MethodSettings(.residualMLP2)
        settings.separateNetworks = true
        settings.rows = 2
        let parameters = try settings.make().parameters
        let weights = parameters.filter { $0.name.hasSuffix("down.weight") }
        #expect(weights.count == 2 && weights[0].values != weights[1].values)
        #expect(weights[0].shape == [2, 400, 8])
        #expect(weights[0].values.prefix(3200) != weights[0].values.suffix(3200))
    }
}

extension MethodSettings {
    static func plain(rows: Int) -> MethodSettings {
        var settings = MethodSettings(.prompt)
        settings.rows = rows
        return settings
    }
}
