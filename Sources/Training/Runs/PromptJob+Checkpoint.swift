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
        guard let step = state["step"]?.int, (0...totalSteps).contains(step),
            let generator = state["order"]?.bits, let epoch = state["epoch"]?.int,
            let position = state["position"]?.int, let dropout = state["dropout"]?.bits,
            let lossSum = state["loss_sum"]?.double, let lossCount = state["loss_count"]?.int,
            let stale = state["stale"]?.int, let reports = state["reports"]?.array
        else { throw refuse("a member is missing or out of range") }
        self.reports = try reports.map { value throws(TrainingError) in
            guard let report = value.object.flatMap({ TrainingReport(json: $0) }) else {
                throw refuse("a report cannot be read")
            }
            return report
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
        try order.restore(generator: generator, epoch: epoch, position: position)
        if let best = state["best"]?.object {
            let count = (parameterization?.rows ?? 0) * (parameterization?.width ?? 0)
            guard let bestStep = best["step"]?.int, let score = best["score"]?.double,
                let confidence = best["confidence"]?.double,
                let rows = group("best").first(where: { $0.name == "rows" })?.values, rows.count == count
            else { throw refuse("the best prompt is missing or of another size") }
            self.best = Best(step: bestStep, score: score, confidence: confidence, rows: rows)
        }
        self.step = step
        self.dropout = SplitMix64(state: dropout)
        self.lossSum = lossSum
        self.lossCount = lossCount
        staleReports = stale
        ending = state["ending"]?.string.flatMap(Ending.init(rawValue:))
    }
}
