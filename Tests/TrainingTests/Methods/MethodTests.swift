import Basics
import Foundation
import JSON
import Tensors
import Testing
import Training

@Suite("Prompts as functions of parameters")
struct MethodTests {
    @Test("every method gives torch's prompt and gradients")
    func golden() throws {
        let golden = try MethodGolden.object("methods.json")
        let width = try #require(golden["width"]?.int)
        let embeddings = try #require(golden["embeddings"]).goldenNumbersByName
        let source = InitializationSource(
            width: width,
            vocabulary: VocabularySample(
                candidates: (golden["candidates"]?.array ?? []).compactMap { $0.int.map(Int32.init) })
        ) { embeddings["\($0)"] ?? [] }
        let cases = (golden["cases"]?.array ?? []).compactMap(\.object)
        #expect(cases.count == 14)
        for golden in cases {
            let settings = try MethodSettings(json: try #require(golden["settings"]?.object))
            let name = Comment(rawValue: JSONValue.object(settings.json).line)
            let method = try settings.makeParameterization(
                initialization: .method, source: source, seed: UInt64(golden["seed"]?.int ?? 0),
                pool: MethodGolden.pool)
            let parameters = try #require(golden["parameters"]).goldenNumbersByName
            #expect(Set(parameters.keys) == Set(method.parameters.map(\.name)), name)
            try method.restore(parameters.map { NamedValues(name: $0.key, values: $0.value) })
            #expect(
                MethodGolden.difference(method.evaluate(), golden["prompt"]?.goldenNumbers ?? []) < 1e-5, name
            )
            method.backward(golden["gradient"]?.goldenNumbers ?? [])
            let gradients = try #require(golden["gradients"]).goldenNumbersByName
            for parameter in method.parameters {
                let difference = MethodGolden.difference(parameter.gradient, gradients[parameter.name] ?? [])
                #expect(difference < 2e-5, "\(name) \(parameter.name)")
            }
        }
    }

    @Test("gradients are what finite differences say", arguments: MethodGolden.settings)
    func finiteDifferences(settings: MethodSettings) throws {
        var generator = SplitMix64(seed: 9)
        let method = try settings.make()
        // Away from the start, where some are 0 or 1.
        for parameter in method.parameters {
            parameter.values = parameter.values.map { $0 + 0.3 * generator.normal() }
        }
        let gradient = (0..<settings.rows * 8).map { _ in generator.normal() }
        let draws = SplitMix64(seed: 4)
        func loss() -> Double {
            var dropout: SplitMix64? = draws
            return zip(method.forward(dropout: &dropout), gradient).reduce(0) {
                $0 + Double($1.0) * Double($1.1)
            }
        }
        _ = loss()
        method.backward(gradient)
        for parameter in method.parameters {
            let values = parameter.values
            let direction = values.map { _ in generator.normal() }
            let step: Float = settings.hasKinks ? 2e-4 : 2e-3
            parameter.values = zip(values, direction).map { $0 + step * $1 }
            let above = loss()
            parameter.values = zip(values, direction).map { $0 - step * $1 }
            let below = loss()
            parameter.values = values
            let measured = (above - below) / Double(2 * step)
            let size = parameter.gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            let computed = zip(parameter.gradient, direction).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            #expect(size > 0, "\(parameter.name)")
            #expect(abs(measured - computed) < 1e-2 * size, "\(parameter.name): \(measured), \(computed)")
        }
    }

    @Test("passes back add to the gradients")
    func accumulation() throws {
        for settings in MethodGolden.settings {
            let method = try settings.make()
            let gradient = [Float](repeating: 0.5, count: 40)
            _ = method.evaluate()
            method.backward(gradient)
            let once = method.parameters.map(\.gradient)
            method.backward(gradient)
            for (parameter, once) in zip(method.parameters, once) {
                #expect(
                    MethodGolden.difference(parameter.gradient, once.map { 2 * $0 }) < 1e-5,
                    "\(parameter.name)")
            }
            method.clearGradients()
            #expect(method.parameters.allSatisfy { $0.gradient.allSatisfy { $0 == 0 } })
        }
    }

    @Test("restored in the middle, training goes on bit for bit", arguments: MethodGolden.settings)
    func restoring(settings: MethodSettings) throws {
        for optimizerSettings in [OptimizerSettings.adamW, .adafactor] {
            var generator = SplitMix64(seed: 5)
            func train(_ method: any PromptParameterization, _ optimizer: any Optimizer, steps: Int) {
                for _ in 0..<steps {
                    var dropout: SplitMix64? = generator
                    _ = method.forward(dropout: &dropout)
                    generator = dropout ?? generator
                    method.clearGradients()
                    method.backward((0..<40).map { _ in generator.normal() })
                    optimizer.step(method.parameters, pool: MethodGolden.pool) { $0 == .prompt ? 0.3 : 0.01 }
                }
            }
            let first = try settings.make()
            let optimizer = optimizerSettings.makeOptimizer()
            let untrained = first.evaluate()
            train(first, optimizer, steps: 3)
            let saved = (first.state, optimizer.state, generator)
            train(first, optimizer, steps: 3)

            let second = try settings.make()
            let resumed = optimizerSettings.makeOptimizer()
            #expect(second.evaluate() == untrained)
            try second.restore(saved.0)
            try resumed.restore(saved.1, for: second.parameters)
            generator = saved.2
            train(second, resumed, steps: 3)
            #expect(second.state == first.state)
            #expect(resumed.state == optimizer.state)
            #expect(second.evaluate() == first.evaluate())
            #expect(second.evaluate() != untrained)
        }
    }

    @Test("a seed decides everything, and its rows do not depend on the method")
    func seeds() throws {
        for settings in MethodGolden.settings {
            let states = try [1, 1, 2].map { try settings.make(seed: $0).state }
            #expect(states[0] == states[1] && states[0] != states[2], "\(settings.method)")
        }
        let rows = try [TrainingMethod.prompt, .residualMLP1, .residualLSTM2].map {
            var settings = MethodSettings($0)
            settings.rows = 4
            return try settings.make(initialization: .vocabulary).parameters[0].values
        }
        #expect(rows[0] == rows[1] && rows[0] == rows[2])
    }

    @Test("the same numbers come out with any number of threads")
    func threads() throws {
        for method in [TrainingMethod.residualMLP1, .residualLSTM1, .dpt] {
            var settings = MethodSettings(method)
            settings.rows = 100
            settings.bottleneck = 200
            settings.rank = 150
            let results = try [1, 3].map { threads in
                let method = try settings.make(width: 128, pool: WorkerPool(threadCount: threads))
                let prompt = method.evaluate()
                method.backward(prompt)
                return [prompt] + method.parameters.map(\.gradient)
            }
            #expect(results[0] == results[1], "\(method)")
        }
    }

    @Test("dropout drops between an LSTM's layers, in training only")
    func dropout() throws {
        let method = try MethodSettings(.residualLSTM2).make(width: 64)
        var dropout: SplitMix64? = SplitMix64(seed: 3)
        let trained = method.forward(dropout: &dropout)
        #expect(trained != method.evaluate() && dropout != SplitMix64(seed: 3))
        let single = try MethodSettings(.residualLSTM1).make(width: 64)
        var unused: SplitMix64? = SplitMix64(seed: 3)
        #expect(single.forward(dropout: &unused) == single.evaluate() && unused == SplitMix64(seed: 3))
    }

    @Test("a state that does not fit is refused, and nothing has changed")
    func badState() throws {
        let method = try MethodSettings(.dpt).make()
        let state = method.state
        for (bad, text) in [
            (Array(state.dropFirst()), "lacks the parameter left"),
            ([NamedValues(name: "left", values: [1]), state[1]], "left has 1 values"),
            (
                [state[0], NamedValues(name: "right", values: state[1].values.map { _ in .nan })],
                "not finite"
            ),
        ] {
            let error = #expect(throws: TrainingError.self) { try method.restore(bad) }
            #expect(error?.message.contains(text) == true, "\(error as Any)")
            #expect(method.state == state)
        }
    }
}
