import Basics
import JSON
import PromptStore
import Serving
import T5
import Tasks

/// A run's end: each job's best prompt is put into its stored form, scored as served, written, checked and published.
struct RunFinish {
    private let run: TrainingRun
    private let core: T5Core
    private let evaluator: Evaluator
    private let tokenizerHash: String

    /// What came of one job so far.
    private struct Finished {
        let job: PromptJob
        /// `nil` for full tuning.
        let form: StoredForm?
        let dev: Evaluator.Answers
        var test: Evaluator.Answers?

        /// The rows that are served.
        var rows: [Float] { form?.prompt.values ?? [] }
    }

    /// - Throws: `TrainingError` when the core that was trained cannot be written.
    init(_ run: TrainingRun) throws(TrainingError) {
        self.run = run
        // Where the core's weights were trained, prompts belong to the core that is written now.
        core = try run.training.finishedCore(folder: run.folder + "/core")
        evaluator = Evaluator(core: core, tokenizer: run.tokenizer, pool: run.pool)
        tokenizerHash = SHA256.digest(of: run.tokenizer.identityBytes).hexadecimal
    }

    /// - Throws: `TrainingError` when a stored prompt does not answer as the one that was scored.
    func finish() throws(TrainingError) -> [JobResult] {
        var finished = try choose()
        try test(&finished)
        var results: [JobResult] = []
        var publications: [Publication?] = []
        for entry in finished {
            let (result, publication) = try write(entry)
            results.append(result)
            publications.append(publication)
        }
        try publish(publications, &results)
        for (entry, result) in zip(finished, results) {
            try FileAccess.write(
                JSONValue.object(result.json).indented, to: run.path(of: entry.job) + "/result.json")
        }
        try writeSummary(results)
        return results
    }

    // MARK: Scores

    /// Scores every job's best prompt in each stored form on the dev rows, all together, and chooses the form.
    private func choose() throws(TrainingError) -> [Finished] {
        var candidates: [(job: PromptJob, form: StoredForm?)] = []
        for job in run.jobs {
            guard let best = job.best else {
                throw TrainingError(
                    "\(job.description.folder): the prompt was never finite; lower the learning rate")
            }
            guard !best.rows.isEmpty else {
                candidates.append((job, nil))
                continue
            }
            let width = core.configuration.modelWidth
            let prompt: SoftPrompt
            do {
                prompt = try SoftPrompt(rows: best.rows.count / width, width: width, values: best.rows)
            } catch {
                throw TrainingError(wrapping: error)
            }
            candidates += try StoredForm.forms(of: prompt, only: run.description.elementType).map {
                (job, $0)
            }
        }
        let answers = try evaluator.answers(
            candidates.map { job, form in
                Evaluator.Candidate(
                    task: job.data.served, prompt: form?.prompt.values ?? [], rows: job.selection.dev)
            })
        var finished: [Finished] = []
        for job in run.jobs {
            let own = zip(candidates, answers).filter { $0.0.job === job }
            var scored: [(form: StoredForm, score: Double)] = []
            for (candidate, answers) in own {
                guard let form = candidate.form else { continue }
                scored.append((form, try scores(answers, job.selection.dev, job).primary))
            }
            let chosen = StoredForm.chosen(among: scored)
            guard let answers = own.first(where: { $0.0.form?.type == chosen?.type })?.1 else { continue }
            finished.append(Finished(job: job, form: chosen, dev: answers, test: nil))
        }
        return finished
    }

    /// Asks the test rows, once.
    private func test(_ finished: inout [Finished]) throws(TrainingError) {
        let indices = finished.indices.filter { finished[$0].job.data.test != nil }
        let answers = try evaluator.answers(
            indices.map { index in
                Evaluator.Candidate(
                    task: finished[index].job.data.served, prompt: finished[index].rows,
                    rows: finished[index].job.data.test ?? [])
            })
        for (index, answers) in zip(indices, answers) { finished[index].test = answers }
    }

    private func scores(
        _ answers: Evaluator.Answers, _ rows: [EncodedExample], _ job: PromptJob
    ) throws(TrainingError) -> Scores {
        try Scores(answers.predictions, rows.map(\.example), job.data.definition)
    }

    // MARK: Files

    /// Writes a job's folder and has what is stored there prove itself.
    private func write(_ entry: Finished) throws(TrainingError) -> (JobResult, Publication?) {
        let job = entry.job
        let folder = run.path(of: job)
        let dev = try scores(entry.dev, job.selection.dev, job)
        let test = try entry.test.map { answers throws(TrainingError) in
            try scores(answers, job.data.test ?? [], job)
        }
        let writer = TaskFolderWriter(path: folder)
        try writer.write(job.data.definition)
        var publication: Publication?
        if let form = entry.form {
            try writer.write(
                form,
                metadata: Provenance.metadata(
                    job, core: core, tokenizerHash: tokenizerHash, dev: dev, test: test))
            do { try run.didWritePrompt?(folder) } catch { throw TrainingError(wrapping: error) }
            publication = try ExactnessGate(core: core, tokenizer: run.tokenizer, pool: run.pool).check(
                folder: folder, form: form,
                name: run.description.publish.map { name in
                    name.replacing("{task}", with: job.data.definition.name)
                }, examples: job.selection.dev.map(\.example), expected: entry.dev.predictions)
        }
        try writer.write(
            card: Provenance.card(
                job, core: core, coreName: CoreSource(run.description.core).name,
                elementType: entry.form?.type.rawValue ?? "", dev: dev, test: test))
        try FileAccess.write(
            CurvesChart(
                title: job.data.definition.name, metric: job.data.definition.metric.rawValue,
                jobs: [("", job.reports)]
            ).svg, to: folder + "/curves.svg")
        let result = JobResult(
            task: job.data.definition.name, folder: job.description.folder, variant: job.description.variant,
            settings: job.description.settings, steps: job.step, bestStep: job.best?.step ?? 0,
            seconds: job.reports.last?.seconds ?? 0, elementType: entry.form?.type, dev: dev, test: test,
            published: nil)
        return (result, publication)
    }

    private func writeSummary(_ results: [JobResult]) throws(TrainingError) {
        guard results.count > 1 else { return }
        try FileAccess.write(
            JSONValue.object(RunSummary(results: results).json).indented, to: run.folder + "/summary.json")
        let metrics = Set(run.jobs.map { $0.data.definition.metric.rawValue })
        try FileAccess.write(
            CurvesChart(
                title: "\(results.count) jobs", metric: metrics.count == 1 ? metrics.first ?? "" : "score",
                jobs: run.jobs.map { ($0.description.folder, $0.reports) }
            ).svg, to: run.folder + "/curves.svg")
    }

    // MARK: Publishing

    /// Publishes each task's best by its dev score, or all of them with the best last, so that the name stands for it.
    private func publish(
        _ publications: [Publication?], _ results: inout [JobResult]
    ) throws(TrainingError) {
        guard run.description.publish != nil, let path = run.description.store else { return }
        var order: [Int] = []
        var tasks: [String] = []
        for result in results where !tasks.contains(result.task) { tasks.append(result.task) }
        for task in tasks {
            let own = results.indices.filter { results[$0].task == task }
            // The first of the best stays the best.
            guard let best = own.max(by: { (results[$0].dev.primary, $1) < (results[$1].dev.primary, $0) })
            else {
                continue
            }
            if run.description.publishesAll { order += own.filter { $0 != best } }
            order.append(best)
        }
        do {
            let store = try PromptStore(path: path, mode: .readWrite)
            let published = try store.publish(batch: order.compactMap { publications[$0] })
            for (index, published) in zip(order, published) { results[index].published = published.id }
        } catch {
            throw TrainingError("publishing failed: \(error.message)")
        }
    }
}
