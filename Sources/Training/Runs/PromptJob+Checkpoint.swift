import Basics
import JSON
import Tensors

extension PromptJob {
    /// What a checkpoint holds of the job.
    ///
    /// - Parameter prefix: Goes before the arrays' names.
    func save(prefix: String) -> (state: JSONObject, arrays: [NamedValues]) {
        var state = JSONObject([
            ("step", JSONValue(step)), ("order", JSONValue(bits: order.state.generator)),
            ("epoch", JSONValue(order.state.epoch)), ("position", JSONValue(order.state.position)),
            ("dropout", JSONValue(bits: dropout.state)), ("loss_sum", JSONValue(lossSum)),
            ("loss_count", JSONValue(lossCount)), ("stale", JSONValue(staleReports)),
            ("reports", .array(reports.map { .object($0.json) })),
        ])
        if let ending { state["ending"] = .string(ending.rawValue) }
        var arrays: [NamedValues] = []
        func add(_ group: String, _ values: [NamedValues]) {
            arrays += values.map { NamedValues(name: "\(prefix)\(group)/\($0.name)", values: $0.values) }
        }
        add("parameters", parameterization?.state ?? [])
        add("weights", weights?.state ?? [])
        add("optimizer", optimizer.state)
        if let best {
            state["best"] = [
                "step": JSONValue(best.step), "score": JSONValue(best.score),
                "confidence": JSONValue(best.confidence),
            ]
            add("best", [NamedValues(name: "rows", values: best.rows)] + (weights?.best ?? []))
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
        func group(_ name: String) -> [NamedValues] {
            arrays.filter { $0.name.hasPrefix(name + "/") }.map {
                NamedValues(name: String($0.name.dropFirst(name.count + 1)), values: $0.values)
            }
        }
        let reader = try ObjectReader(state, failure: refuse)
        let step = try reader.require("step").integer(in: 0...totalSteps)
        var reports: [TrainingReport] = []
        for report in try reader.require("reports").elements(of: "objects") {
            reports.append(try TrainingReport(report.object()))
        }
        do {
            try parameterization?.restore(group("parameters"))
            try optimizer.restore(
                group("optimizer"),
                shapes: Dictionary(
                    (parameterization?.parameters ?? []).map { ($0.name, $0.shape) }
                        + (weights?.shapes ?? [])
                ) { first, _ in first })
        } catch {
            throw refuse(error.message)
        }
        try weights?.restore(group("weights"), best: group("best"))
        try order.restore(
            generator: reader.require("order").bits(), epoch: reader.require("epoch").integer(),
            position: reader.require("position").integer())
        if let best = try reader["best"]?.object() {
            let count = (parameterization?.rows ?? 0) * (parameterization?.width ?? 0)
            guard let rows = group("best").first(where: { $0.name == "rows" })?.values, rows.count == count
            else { throw refuse("the best prompt is missing or of another size") }
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
        ending = try reader["ending"]?.choice()
    }
}
