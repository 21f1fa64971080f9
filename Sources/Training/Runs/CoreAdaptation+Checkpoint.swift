import Basics
import JSON
import Tensors

extension CoreAdaptation {
    func save(seconds: Double) throws(TrainingError) {
        try Checkpoint(
            state: JSONObject([
                ("settings", .object(settings.json)), ("text", .string(textHash)),
                ("core", .string(coreHash)),
                ("step", JSONValue(step)),
                ("order", JSONValue(bits: order.state.generator)), ("epoch", JSONValue(order.state.epoch)),
                ("position", JSONValue(order.state.position)), ("draws", JSONValue(bits: generator.state)),
                ("before", before.map { JSONValue($0) } ?? .null), ("seconds", JSONValue(seconds)),
            ]), arrays: weights.state.named(Group.weights) + optimizer.state.named(Group.optimizer)
        ).write(to: checkpointPath)
        hasCheckpoint = true
    }

    /// Saves a checkpoint in the middle of the run, which goes on when there is one already and this one cannot be
    /// written.
    func saveIfPossible(seconds: Double) throws(TrainingError) {
        let begun = ContinuousClock.now
        do { try save(seconds: seconds) } catch {
            guard hasCheckpoint else { throw error }
            notice("no checkpoint could be saved: \(error.message)")
        }
        timer.note(begun: begun)
    }

    /// The groups of a checkpoint's arrays.
    private enum Group {
        static let weights = "weights"
        static let optimizer = "optimizer"
    }

    func restore(_ checkpoint: Checkpoint) throws(TrainingError) {
        let reader = try ObjectReader(checkpoint.state, at: checkpointPath, nullIsAbsent: true) {
            TrainingError($0)
        }
        func refuse(_ what: String) -> TrainingError {
            TrainingError(
                "\(checkpointPath): the checkpoint was made with \(what); go on with the same, or begin anew with --overwrite"
            )
        }
        if let difference = settings.difference(from: checkpoint.state["settings"]?.object) {
            throw refuse("another setting: \(difference)")
        }
        guard checkpoint.state["core"] == .string(coreHash) else {
            throw refuse("another core than \(settings.core) is now")
        }
        guard checkpoint.state["text"] == .string(textHash) else {
            throw refuse("other text than \(settings.texts.joined(separator: ", ")) has now")
        }
        let groups = checkpoint.arrays.groups
        try weights.restore(groups[Group.weights] ?? [])
        do {
            try optimizer.restore(
                groups[Group.optimizer] ?? [], shapes: Dictionary(weights.shapes) { first, _ in first })
        } catch {
            throw error.at(checkpointPath)
        }
        try order.restore(
            generator: reader.require("order").bits(), epoch: reader.require("epoch").integer(),
            position: reader.require("position").integer())
        generator = SplitMix64(state: try reader.require("draws").bits())
        step = try reader.require("step").integer(in: 0...settings.steps)
        before = try reader["before"]?.number()
        earlierSeconds = try reader.require("seconds").number()
        hasCheckpoint = true
    }
}
