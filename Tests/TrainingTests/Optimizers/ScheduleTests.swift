import JSON
import Testing
import Training

@Suite("Schedules and clipping")
struct ScheduleTests {
    @Test("learning rates go as transformers' schedules do")
    func schedules() throws {
        let cases = (try MethodGolden.object("optimizers.json")["schedules"]?.array ?? []).compactMap(
            \.object)
        #expect(cases.count == 12)
        for golden in cases {
            let schedule = LearningRateSchedule(
                try #require(LearningRateSchedule.Shape(rawValue: golden["shape"]?.string ?? "")),
                warmUpSteps: golden["warm_up"]?.int ?? 0, totalSteps: golden["total"]?.int ?? 0)
            for (step, factor) in (golden["factors"]?.array ?? []).enumerated() {
                let expected = try #require(factor.double)
                #expect(abs(schedule.factor(step: step) - expected) < 1e-12, "\(schedule) \(step)")
            }
        }
    }

    @Test("behind the end the rate stays where it is")
    func end() {
        #expect(LearningRateSchedule(.cosine, warmUpSteps: 2, totalSteps: 10).factor(step: 1000) == 0)
        #expect(LearningRateSchedule(.linear, totalSteps: 10).factor(step: 1000) == 0)
        #expect(LearningRateSchedule(.constant, warmUpSteps: 2, totalSteps: 10).factor(step: 1000) == 1)
    }

    private func parameters(_ gradients: [[Float]]) -> [TrainableParameter] {
        gradients.enumerated().map { index, gradient in
            let parameter = TrainableParameter(
                name: "\(index)", shape: [gradient.count], group: .prompt, values: gradient)
            parameter.gradient = gradient
            return parameter
        }
    }

    @Test("gradients are clipped by their common norm as torch does")
    func clipping() throws {
        let golden = try #require(try MethodGolden.object("optimizers.json")["clipping"]?.object)
        let before = (golden["before"]?.array ?? []).map(\.goldenNumbers)
        let clipped = parameters(before)
        let norm = clipGradients(clipped, maximum: golden["maximum"]?.double, pool: MethodGolden.pool)
        #expect(abs(norm - (golden["norm"]?.double ?? 0)) < 1e-5)
        for (parameter, after) in zip(clipped, golden["after"]?.array ?? []) {
            #expect(MethodGolden.difference(parameter.gradient, after.goldenNumbers) < 1e-6)
        }
        let kept = parameters(before)
        #expect(clipGradients(kept, maximum: 100, pool: MethodGolden.pool) == norm)
        #expect(clipGradients(kept, maximum: nil, pool: MethodGolden.pool) == norm)
        #expect(kept.map(\.gradient) == before)
    }

    @Test("a norm that is not finite is reported and nothing scaled")
    func notFinite() {
        let broken = parameters([[1, .infinity], [2]])
        #expect(clipGradients(broken, maximum: 1, pool: MethodGolden.pool) == .infinity)
        #expect(broken[1].gradient == [2])
    }
}
