import Basics
import JSON
import Tensors

extension PromptJob {
    /// The groups of a checkpoint's arrays that are a job's.
    private enum Group {
        static let parameters = "parameters"
        static let weights = "weights"
        static let optimizer = "optimizer"
        static let best = "best"
    }

    /// What a checkpoint holds of the job. Of one whose numbers left their range it is the best prompt alone.
    func save() -> (state: JSONObject, arrays: [NamedValues]) {
        var state = JSONObject([
            ("step", JSONValue(step)), ("order", JSONValue(bits: order.state.generator)),
            ("epoch", JSONValue(order.state.epoch)), ("position", JSONValue(order.state.position)),
            ("dropout", JSONValue(bits: dropout.state)), ("loss_sum", JSONValue(lossSum)),
            ("loss_count", JSONValue(lossCount)), ("stale", JSONValue(staleReports)),
            ("reports", .array(reports.map { .object($0.json) })),
        ])
        if let ending { state["ending"] = .string(ending.rawValue) }
        if let failure { state["failure"] = .string(failure) }
        var arrays: [NamedValues] = []
        if ending != .diverged {
            arrays += (parameterization?.state ?? []).named(Group.parameters)
            arrays += (weights?.state ?? []).named(Group.weights)
            arrays += optimizer.state.named(Group.optimizer)
        }
        if let best {
            state["best"] = [
                "step": JSONValue(best.step), "score": JSONValue(best.score),
                "confidence": JSONValue(best.confidence),
            ]
            arrays += ([NamedValues(name: "rows", values: best.rows)] + (weights?.best ?? [])).named(
                Group.best)
        }
        return (state, arrays)
    }

    /// Goes on where a checkpoint was made.
    ///
    /// - Throws: `TrainingError`, saying what does not fit.
    func restore(_ state: JSONObject, _ arrays: [NamedValues]) throws(TrainingError) {
        func refuse(_ what: String) -> TrainingError {
            TrainingError("its state is damaged: \(what)")
        }
        let groups = arrays.groups
        func group(_ name: String) -> [NamedValues] { groups[name] ?? [] }
        let reader = try ObjectReader(state, failure: refuse)
        let step = try reader.require("step").integer(in: 0...totalSteps)
        ending = try reader["ending"]?.choice()
        failure = try reader["failure"]?.string()
        var reports: [TrainingReport] = []
        for report in try reader.require("reports").elements(of: "objects") {
            reports.append(try TrainingReport(report.object()))
        }
        if ending != .diverged {
            do {
                try parameterization?.restore(group(Group.parameters))
                try optimizer.restore(
                    group(Group.optimizer),
                    shapes: Dictionary(
                        (parameterization?.parameters ?? []).map { ($0.name, $0.shape) }
                            + (weights?.shapes ?? [])
                    ) { first, _ in first })
            } catch {
                throw refuse(error.message)
            }
            try weights?.restore(group(Group.weights))
        }
        try order.restore(
            generator: reader.require("order").bits(), epoch: reader.require("epoch").integer(),
            position: reader.require("position").integer())
        if let best = try reader["best"]?.object() {
            let count = (parameterization?.rows ?? 0) * (parameterization?.width ?? 0)
            guard let rows = group(Group.best).first(where: { $0.name == "rows" })?.values,
                rows.count == count
            else { throw refuse("the best prompt is missing or of another size") }
            try weights?.restore(best: group(Group.best))
            self.best = Best(
                step: try best.require("step").integer(), score: try best.require("score").number(),
                confidence: try best.require("confidence").number(), rows: rows)
        }
        self.step = step
        self.reports = reports
        dropout = SplitMix64(state: try reader.require("dropout").bits())
        lossSum = try reader.require("loss_sum").number()
        lossCount = try reader.require("loss_count").integer()
        staleReports = try reader.require("stale").integer()
    }
}
