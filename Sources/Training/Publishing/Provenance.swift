import Foundation
import JSON
import T5
import Tasks

/// Where a prompt comes from: the metadata of its file, and from there the store's provenance.
enum Provenance {
    /// The recipe as texts by key.
    static func metadata(
        _ job: PromptJob, core: T5Core, tokenizerHash: String, dev: Scores, test: Scores?
    ) -> [(String, String)] {
        var metadata = [
            ("core_fingerprint", core.fingerprint), ("tokenizer_sha256", tokenizerHash),
            ("precision", core.precision.rawValue),
            ("settings", JSONValue.object(job.resolvedSettings).line),
            ("seed", "\(job.description.settings.seed)"), ("steps", "\(job.step)"),
            ("best_step", "\(job.best?.step ?? 0)"),
            ("train_rows", "\(job.selection.train.count)"), ("dev_rows", "\(job.selection.dev.count)"),
        ]
        metadata += job.data.hashes.map { ("\($0.role)_sha256", $0.hash) }
        metadata.append(("dev", JSONValue.object(dev.json).line))
        if let test { metadata.append(("test", JSONValue.object(test.json).line)) }
        return metadata
    }

    /// A page about the prompt for people.
    static func card(
        _ job: PromptJob, core: T5Core, coreName: String, elementType: String, dev: Scores, test: Scores?
    ) -> String {
        let settings = job.description.settings
        let definition = job.data.definition
        let source = job.data.source
        func name(_ path: String?) -> String {
            path.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "none"
        }
        func line(_ scores: Scores) -> String {
            scores.values.map { "\($0.metric.rawValue) \(String(format: "%.4f", $0.value))" }.joined(
                separator: ", ")
        }
        let what =
            settings.method.method == .full
            ? "All weights of the core were trained; there is no prompt."
            : "\(settings.method.rows) rows by \(settings.method.method.rawValue), projected, stored as \(elementType)."
        var lines = [
            "# \(definition.name)",
            definition.description.isEmpty ? "" : "\(definition.description)\n",
            "- Core: \(coreName), fingerprint \(core.fingerprint.prefix(16))….",
            "- Prompt: \(what)",
            "- Training: the best of \(job.step) steps by the dev rows' \(definition.metric.rawValue) "
                + "(step \(job.best?.step ?? 0)), seed \(settings.seed), \(optimizerName(settings)), learning rate "
                + "\(settings.learningRate). Every setting is in train.json.",
            "- Data: train \(name(source.train)) (\(job.selection.train.count) rows), dev "
                + "\(source.dev == nil ? "split off the training rows" : name(source.dev)) "
                + "(\(job.selection.dev.count) rows), test \(name(source.test)).",
            "- Dev, as served in \(core.precision.rawValue): \(line(dev)).",
        ]
        if let test {
            lines.append(
                "- Test, as served in \(core.precision.rawValue): \(line(test)) "
                    + "(\(job.data.test?.count ?? 0) rows).")
        }
        return lines.filter { !$0.isEmpty }.joined(separator: "\n") + "\n"
    }

    private static func optimizerName(_ settings: JobSettings) -> String {
        switch settings.optimizer {
        case .adamW: "AdamW"
        case .adafactor: "Adafactor"
        }
    }
}
