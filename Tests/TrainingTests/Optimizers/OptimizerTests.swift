import Basics
import JSON
import Tensors
import Testing
import Training

@Suite("Optimizers")
struct OptimizerTests {
    @Test("AdamW and Adafactor change values as torch and transformers do")
    func golden() throws {
        let cases = (try MethodGolden.object("optimizers.json")["optimizers"]?.array ?? []).compactMap(
            \.object)
        #expect(cases.count == 5)
        for golden in cases {
            let settings = try OptimizerSettings(json: try #require(golden["settings"]?.object))
            let rate = try #require(golden["rate"]?.double)
            let start = try #require(golden["start"]).goldenNumbersByName
            let parameters = try #require(golden["shapes"]?.object).map { name, shape in
                TrainableParameter(
                    name: name, shape: (shape.array ?? []).compactMap(\.int), group: .prompt,
                    values: start[name] ?? [])
            }
            #expect(parameters.count == 3)
            let optimizer = settings.makeOptimizer()
            let steps = golden["steps"]?.array ?? []
            #expect(steps.count == 6)
            for (index, step) in steps.enumerated() {
                let gradients = try #require(step.object?["gradients"]).goldenNumbersByName
                let values = try #require(step.object?["values"]).goldenNumbersByName
                for parameter in parameters { parameter.gradient = gradients[parameter.name] ?? [] }
                optimizer.step(parameters, pool: MethodGolden.pool) { _ in rate }
                for parameter in parameters {
                    let difference = MethodGolden.difference(parameter.values, values[parameter.name] ?? [])
                    #expect(difference < 2e-6, "\(settings) step \(index) \(parameter.name)")
                }
            }
        }
    }

    @Test("each group has its own learning rate")
    func groups() {
        let parameters = [ParameterGroup.prompt, .network].map {
            TrainableParameter(name: $0.rawValue, shape: [1], group: $0, values: [1])
        }
        for parameter in parameters { parameter.gradient = [1] }
        OptimizerSettings.adamW.makeOptimizer().step(parameters, pool: MethodGolden.pool) {
            $0 == .prompt ? 0.5 : 0
        }
        #expect(abs(parameters[0].values[0] - 0.5) < 1e-4 && parameters[1].values == [1])
    }

    /// Parameters of sizes that are cut among threads, and of some that are not.
    private func large(_ generator: inout SplitMix64) -> [TrainableParameter] {
        [[70_001], [300, 500], [2, 40, 1000], [3, 70_000], [40_000, 3]].enumerated().map { index, shape in
            let parameter = TrainableParameter(
                name: "\(index)", shape: shape, group: .prompt,
                values: (0..<shape.reduce(1, *)).map { _ in generator.uniform(bound: 1) })
            parameter.gradient = parameter.values.map { _ in generator.uniform(bound: 1) }
            return parameter
        }
    }

    private var scaled: OptimizerSettings {
        var settings = AdafactorSettings()
        settings.beta1 = 0.9
        settings.parameterScaling = true
        return .adafactor(settings)
    }

    @Test("the same numbers come out with any number of threads, in place in someone else's memory too")
    func threads() {
        for settings in [OptimizerSettings.adamW, .adafactor, scaled] {
            var results: [[[Float]]] = []
            for threads in [1, 3] {
                var generator = SplitMix64(seed: 7)
                let parameters = large(&generator)
                let optimizer = settings.makeOptimizer()
                let workers = WorkerPool(threadCount: threads)
                for _ in 0..<2 {
                    clipGradients(parameters, maximum: 1, pool: workers)
                    optimizer.step(parameters, pool: workers) { _ in 0.1 }
                }
                results.append(parameters.map(\.values))
            }
            var generator = SplitMix64(seed: 7)
            let parameters = large(&generator)
            let optimizer = settings.makeOptimizer()
            for _ in 0..<2 {
                let memory = parameters.map { parameter in
                    let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: parameter.values.count)
                    let gradient = UnsafeMutableBufferPointer<Float>.allocate(capacity: values.count)
                    _ = values.initialize(from: parameter.values)
                    _ = gradient.initialize(from: parameter.gradient)
                    return ParameterView(
                        name: parameter.name, shape: parameter.shape, values: values, gradient: gradient)
                }
                clipGradients(memory, maximum: 1, pool: MethodGolden.pool)
                for (parameter, view) in zip(parameters, memory) {
                    optimizer.update(view, learningRate: 0.1, pool: MethodGolden.pool)
                    parameter.values = Array(view.values)
                    parameter.gradient = Array(view.gradient)
                    view.values.deallocate()
                    view.gradient.deallocate()
                }
            }
            results.append(parameters.map(\.values))
            #expect(results[0] == results[1] && results[0] == results[2])
            #expect(results[0].allSatisfy { $0.allSatisfy { $0.isFinite } })
        }
    }

    @Test("a restored optimizer goes on bit for bit")
    func restoring() throws {
        for settings in [OptimizerSettings.adamW, .adafactor, scaled] {
            var generator = SplitMix64(seed: 7)
            let parameters = large(&generator)
            let optimizer = settings.makeOptimizer()
            #expect(optimizer.state.isEmpty)
            optimizer.step(parameters, pool: MethodGolden.pool) { _ in 0.1 }
            let (state, values) = (optimizer.state, parameters.map(\.values))
            optimizer.step(parameters, pool: MethodGolden.pool) { _ in 0.1 }
            let expected = parameters.map(\.values)
            #expect(expected != values && optimizer.state != state)
            for (parameter, values) in zip(parameters, values) { parameter.values = values }
            let resumed = settings.makeOptimizer()
            try resumed.restore(state, for: parameters)
            #expect(resumed.state == state)
            resumed.step(parameters, pool: MethodGolden.pool) { _ in 0.1 }
            #expect(parameters.map(\.values) == expected)
        }
    }

    @Test("a saved state that does not fit is refused, and nothing has changed")
    func badState() throws {
        let parameter = TrainableParameter(
            name: "p", shape: [2, 3], group: .prompt, values: [1, 2, 3, 4, 5, 6])
        for (settings, part) in [(OptimizerSettings.adamW, "mean"), (.adafactor, "row")] {
            let optimizer = settings.makeOptimizer()
            optimizer.step([parameter], pool: MethodGolden.pool) { _ in 0.1 }
            let state = optimizer.state
            func refused(_ bad: [NamedValues], _ text: String) {
                let error = #expect(throws: TrainingError.self) {
                    try optimizer.restore(bad, for: [parameter])
                }
                #expect(
                    error?.message.contains(text) == true, "\(error as Any)")
                #expect(optimizer.state == state)
            }
            refused(state.filter { $0.name != "p.\(part)" }, "lacks p.\(part)")
            refused([NamedValues(name: "p.\(part)", values: [1])] + state, "p.\(part) has 1 values")
            refused([NamedValues(name: "p.step", values: [0.5])] + state, "p.step is 0.5")
            refused([NamedValues(name: "p.step", values: [.nan])] + state, "p.step is nan")
            try optimizer.restore([], for: [parameter])
            #expect(optimizer.state.isEmpty)
        }
    }
}
