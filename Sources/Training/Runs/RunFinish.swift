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
    private let isInterrupted: () -> Bool

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

    /// What a job's folder has, and what of it is to be published.
    private struct Written {
        var result: JobResult
        /// `nil` for full tuning.
        let gate: Result<Publication, ExactnessGate.Refusal>?
    }

    /// - Throws: `TrainingError` when the core that was trained cannot be written.
    private init(_ run: TrainingRun, isInterrupted: @escaping () -> Bool) throws(TrainingError) {
        self.run = run
        self.isInterrupted = isInterrupted
        // Where the core's weights were trained, prompts belong to the core that is written now.
        if run.training.weights != nil { try run.output.removeCore() }
        core = try run.training.finishedCore(folder: run.output.corePath)
        evaluator = Evaluator(core: core, tokenizer: run.tokenizer, pool: run.pool)
        tokenizerHash = SHA256.digest(of: run.tokenizer.identityBytes).hexadecimal
    }

    /// Writes every folder completely before anything is published, so that nothing that fails then costs a result.
    ///
    /// - Throws: `TrainingError` when something cannot be written or published, or a stored prompt does not answer as the
    ///   one that was scored; it names the one command that publishes what was trained.
    static func finish(
        _ run: TrainingRun, isInterrupted: @escaping () -> Bool
    ) throws(TrainingError) -> [JobResult] {
        let finish: RunFinish
        var finished: [Finished]
        var written: [Written] = []
        do {
            finish = try RunFinish(run, isInterrupted: isInterrupted)
            finished = try finish.choose()
            try finish.test(&finished)
            for entry in finished { written.append(try finish.write(entry)) }
            try finish.writeResults(finished, written.map(\.result))
        } catch {
            throw error.isInterruption ? error : resumable(run, error)
        }
        try finish.publish(&written)
        let results = written.map(\.result)
        if results.contains(where: { $0.published != nil }) { try finish.writeResults(finished, results) }
        return results
    }

    /// An error with the command that goes on from the checkpoint.
    private static func resumable(_ run: TrainingRun, _ error: TrainingError) -> TrainingError {
        TrainingError(
            "\(error.message)\nEverything that was trained is in the checkpoint; this writes and publishes it: "
                + PublishingCommand.resume(run.folder), cause: error)
    }

    private func writeResults(_ finished: [Finished], _ results: [JobResult]) throws(TrainingError) {
        for (entry, result) in zip(finished, results) {
            try FileAccess.write(
                JSONValue.object(result.json).indented, to: run.path(of: entry.job) + "/result.json")
        }
        try writeSummary(results)
    }

    // MARK: Scores

    /// Scores every job's best prompt in each stored form on the dev rows, all together, and chooses the form.
    private func choose() throws(TrainingError) -> [Finished] {
        var candidates: [(job: PromptJob, form: StoredForm?)] = []
        for job in run.jobs {
            // A job whose numbers left their range before the first evaluation has nothing to write.
            guard let best = job.best else { continue }
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
            }, isInterrupted: isInterrupted)
        var finished: [Finished] = []
        for job in run.jobs where job.best != nil {
            let own = zip(candidates, answers).filter { $0.0.job === job }
            var scored: [(form: StoredForm, score: Double)] = []
            var usable: [(form: StoredForm?, answers: Evaluator.Answers)] = []
            for (candidate, answers) in own {
                // A form whose answers are no numbers is no choice; the others are.
                guard let answers = try? answers.get() else { continue }
                usable.append((candidate.form, answers))
                guard let form = candidate.form else { continue }
                scored.append((form, try scores(answers, job.selection.dev, job).primary))
            }
            let chosen = StoredForm.chosen(among: scored)
            guard let answers = usable.first(where: { $0.form?.type == chosen?.type })?.answers else {
                // The others' results are not lost with it.
                job.fail(
                    "the dev rows have no score: \(own.first?.1.failure?.message ?? "there is no form to store")"
                )
                continue
            }
            finished.append(Finished(job: job, form: chosen, dev: answers, test: nil))
        }
        guard !finished.isEmpty else { throw TrainingError(run.failures.joined(separator: "\n")) }
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
            }, isInterrupted: isInterrupted)
        for (index, answers) in zip(indices, answers) {
            switch answers {
            case .success(let answers): finished[index].test = answers
            case .failure(let error):
                finished[index].job.fail("the test rows have no score: \(error.message)")
            }
        }
    }

    private func scores(
        _ answers: Evaluator.Answers, _ rows: [EncodedExample], _ job: PromptJob
    ) throws(TrainingError) -> Scores {
        try Scores(answers.predictions, rows.map(\.example), job.data.definition)
    }

    // MARK: Files

    /// Writes a job's folder and has what is stored there prove itself.
    private func write(_ entry: Finished) throws(TrainingError) -> Written {
        let job = entry.job
        let folder = run.path(of: job)
        let dev = try scores(entry.dev, job.selection.dev, job)
        let test = try entry.test.map { answers throws(TrainingError) in
            try scores(answers, job.data.test ?? [], job)
        }
        let writer = TaskFolderWriter(path: folder)
        try writer.write(job.data.definition)
        var gate: Result<Publication, ExactnessGate.Refusal>?
        if let form = entry.form {
            try writer.write(
                form,
                metadata: Provenance.metadata(
                    job, core: core, tokenizerHash: tokenizerHash, dev: dev, test: test))
            do { try run.didWritePrompt?(folder) } catch { throw TrainingError(wrapping: error) }
            gate = try ExactnessGate(
                core: core, tokenizer: run.tokenizer, pool: run.pool, isInterrupted: isInterrupted
            ).check(
                folder: folder, form: form, name: run.description.publishedName(of: job.description.task),
                examples: job.selection.dev.map(\.example), expected: entry.dev.predictions)
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
        return Written(result: result, gate: gate)
    }

    private func writeSummary(_ results: [JobResult]) throws(TrainingError) {
        guard run.jobs.count > 1 else { return }
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
    ///
    /// What the gate refused keeps nothing else from being published.
    private func publish(_ written: inout [Written]) throws(TrainingError) {
        var refusals: [String] = []
        var isOneIntact = false
        for entry in written {
            guard let refusal = entry.gate?.failure else { continue }
            refusals.append(refusal.message)
            isOneIntact = written.count == 1 && refusal.isIntact
        }
        if run.description.publish != nil, let path = run.description.store {
            let order = publishingOrder(of: written)
            do throws(PromptStoreError) {
                let store = try PromptStore(path: path, mode: .readWrite)
                let publications = order.compactMap { try? written[$0].gate?.get() }
                var published = try earlier(publications, in: store) ?? []
                if published.isEmpty {
                    published = try store.publish(batch: publications).map(\.id)
                }
                for (index, published) in zip(order, published) {
                    written[index].result.published = published
                }
            } catch {
                let error = TrainingError("publishing failed: \(error.message)", cause: error)
                guard refusals.isEmpty, order.count == 1,
                    let command = registration(of: written[order[0]].result)
                else { throw Self.resumable(run, error) }
                throw TrainingError(
                    "\(error.message)\nThe prompt is in its folder; this publishes it: \(command)",
                    cause: error)
            }
        }
        guard !refusals.isEmpty else { return }
        let error = TrainingError(refusals.joined(separator: "\n"))
        // Writing it again would change nothing where the values are right.
        guard isOneIntact else { throw Self.resumable(run, error) }
        guard let command = registration(of: written[0].result) else { throw error }
        throw TrainingError(
            "\(error.message)\nIts values are those that were scored; this publishes them all the same: \(command)"
        )
    }

    /// The versions as which a run that goes on has published everything already, when it was stopped just afterwards;
    /// `nil` when it has not.
    private func earlier(
        _ publications: [Publication], in store: PromptStore
    ) throws(PromptStoreError) -> [TaskVersion]? {
        guard run.isResumed else { return nil }
        func sorted(_ object: JSONObject) -> [String] {
            object.map { "\($0.key) \($0.value.line)" }.sorted()
        }
        var versions: [TaskVersion] = []
        for publication in publications {
            let same = try? store.versions(of: publication.name).last { version in
                guard !versions.contains(version),
                    let manifest = try store.resolve("\(version)").manifests.first
                else { return false }
                return manifest.blob == publication.frame.hash
                    && manifest.coreFingerprint == publication.coreFingerprint
                    && sorted(manifest.provenance) == sorted(publication.provenance)
            }
            guard let same else { return nil }
            versions.append(same)
        }
        return versions
    }

    /// The command that publishes a job's folder; `nil` where nothing is to be published.
    private func registration(of result: JobResult) -> String? {
        guard let name = run.description.publishedName(of: result.task), let store = run.description.store,
            let type = result.elementType
        else { return nil }
        return PublishingCommand.register(
            run.folder + (result.folder.isEmpty ? "" : "/\(result.folder)"), core: run.description.core,
            store: store, name: name, type: type)
    }

    /// What is published, in order.
    private func publishingOrder(of written: [Written]) -> [Int] {
        var order: [Int] = []
        var tasks: [String] = []
        let usable = written.indices.filter { written[$0].gate?.failure == nil && written[$0].gate != nil }
        for index in usable where !tasks.contains(written[index].result.task) {
            tasks.append(written[index].result.task)
        }
        for task in tasks {
            let own = usable.filter { written[$0].result.task == task }
            // The first of the best stays the best.
            let best = own.max { left, right in
                (written[left].result.dev.primary, right) < (written[right].result.dev.primary, left)
            }
            if run.description.publishesAll { order += own.filter { $0 != best } }
            if let best { order.append(best) }
        }
        return order
    }
}

extension Result {
    /// The error, where there is one.
    fileprivate var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
