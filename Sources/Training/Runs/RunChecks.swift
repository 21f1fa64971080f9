import Basics
import Foundation
import JSON
import PromptStore
import Serving
import T5
import Tasks

/// What is looked at before a run's first step, so that nothing that could be known keeps its results from being
/// written and published.
struct RunChecks {
    private let run: TrainingRun

    init(_ run: TrainingRun) { self.run = run }

    /// - Throws: `TrainingError` naming what the run would fail of at its end.
    func check() throws(TrainingError) {
        for job in run.jobs { try checkRows(of: job) }
        try checkCheckpoint()
        try checkStore()
        try checkRoom()
        try rehearse()
    }

    // MARK: Rows

    /// Whether the dev and test rows' labels are the task's, and its metrics can be computed of them.
    private func checkRows(of job: PromptJob) throws(TrainingError) {
        let source = job.data.source
        var files = [(source.dev ?? source.train, job.selection.dev)]
        if let test = job.data.test { files.append((source.test ?? "", test)) }
        for (path, rows) in files {
            let examples = rows.map(\.example)
            if let names = job.data.definition.verbalizer?.names {
                let names = Set(names)
                guard examples.contains(where: { $0.answers.contains(where: names.contains) }) else {
                    throw TrainingError(
                        "\(path): no row has a label of the task \(job.data.definition.name); map gives a file's labels the "
                            + "task's names")
                }
            }
            do { _ = try Scores.ofReferences(examples, job.data.definition) } catch {
                throw error.at(path)
            }
        }
    }

    // MARK: Files

    /// Whether every checkpoint of the run can be read again.
    private func checkCheckpoint() throws(TrainingError) {
        let now = run.checkpoint()
        // A report has four numbers of at most 24 characters, their names and what stands between.
        let reports = run.jobs.reduce(0) { $0 + $1.totalReports * 150 }
        let size = now.stateSize + reports
        guard size <= Checkpoint.maximumState else {
            throw TrainingError(
                "the run's checkpoints would hold \(size) bytes beside the values, more than \(Checkpoint.maximumState); "
                    + "train fewer jobs together, or evaluate less often (evaluate_every)")
        }
    }

    private func checkStore() throws(TrainingError) {
        guard run.description.publish != nil, let path = run.description.store else { return }
        if FileManager.default.fileExists(atPath: path + "/data.mdb") {
            let store: PromptStore
            // As it will be opened at the end.
            do { store = try PromptStore(path: path, mode: .readWrite) } catch {
                throw TrainingError(wrapping: error)
            }
            for name in Set(run.jobs.compactMap { run.description.publishedName(of: $0.description.task) }) {
                guard case .task(let manifest)? = try? store.resolve(name),
                    manifest.coreFingerprint != run.training.core.fingerprint
                else { continue }
                run.notice(
                    "\(path): \(name) is a task of another core (\(manifest.coreFingerprint.prefix(16))…), which will not "
                        + "find it under this name any more")
            }
        } else {
            try RunFolder.checkWritable(folder: path)
        }
    }

    /// Whether the disks have room for a checkpoint beside the last one, for the results and for what is published.
    private func checkRoom() throws(TrainingError) {
        let prompts = run.jobs.reduce(0) { $0 + $1.promptCount * 4 }
        let checkpoint = run.jobs.reduce(0) { $0 + $1.stateCount * 4 } * (run.hasCheckpoint ? 1 : 2)
        let weights = run.training.weights?.shapes.reduce(0) { $0 + $1.1.reduce(1, *) * 4 } ?? 0
        // Logs, curves, cards, and what a file system rounds up.
        let others = (run.jobs.count + 1) << 18
        try Self.checkRoom(
            in: run.folder, bytes: checkpoint + prompts + weights + others, "the run")
        guard run.description.publish != nil, let store = run.description.store else { return }
        try Self.checkRoom(in: store, bytes: prompts + 1 << 20, "what is published")
    }

    /// Refuses a folder, there or not, on a disk with less room.
    static func checkRoom(in folder: String, bytes: Int, _ what: String) throws(TrainingError) {
        var path = folder
        var room = statvfs()
        while statvfs(path, &room) != 0 {
            let above = (path as NSString).deletingLastPathComponent
            guard above != path else { return }
            path = above.isEmpty ? "." : above
        }
        // A file system that does not count says 0 of 0.
        guard room.f_blocks > 0 else { return }
        let (free, overflow) = Int(room.f_bavail).multipliedReportingOverflow(by: Int(room.f_frsize))
        guard !overflow, free < bytes else { return }
        throw TrainingError(
            "\(folder): its disk has \(free >> 10) KiB free, and \(what) needs \(bytes >> 10) KiB")
    }

    // MARK: Publishing

    /// Has a store of its own take what will be published, with the scores that the right answers would have.
    private func rehearse() throws(TrainingError) {
        var publications: [Publication] = []
        let core = run.training.core
        for job in run.jobs where job.parameterization != nil {
            let dev = try Scores.ofReferences(job.selection.dev.map(\.example), job.data.definition)
            let test = try job.data.test.map { rows throws(TrainingError) in
                try Scores.ofReferences(rows.map(\.example), job.data.definition)
            }
            let hash = SHA256.digest(of: run.tokenizer.identityBytes).hexadecimal
            let provenance = Provenance.metadata(job, core: core, tokenizerHash: hash, dev: dev, test: test)
            do {
                let width = core.configuration.modelWidth
                let prompt = try SoftPrompt(
                    rows: 1, width: width, values: [Float](repeating: 0, count: width))
                publications.append(
                    Publication(
                        name: run.description.publishedName(of: job.description.task) ?? job.description.task,
                        frame: try PromptFrame(prompt, as: .float32), coreFingerprint: core.fingerprint,
                        tokenizerHash: hash, definition: job.data.definition.json,
                        provenance: JSONObject(provenance.map { ($0, .string($1)) })))
            } catch {
                throw TrainingError(wrapping: error)
            }
        }
        guard !publications.isEmpty else { return }
        try ExactnessGate.rehearse(publications)
    }
}
