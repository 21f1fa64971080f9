import T5

/// Takes the steps of many jobs through one core.
///
/// Each step gathers every job's mini-batch in ragged batches of bounded size, one pass forward and back each.
struct JobTrainer {
    let core: any DifferentiableCore
    /// Most encoder rows of a pass.
    let batchRows: Int
    /// Whether the core drops elements at random. Which ones depends on a pass's seed, so that each job then has
    /// passes of its own: else its result would depend on the others.
    let hasDropout: Bool

    /// Ids and prompt rows that went through the core.
    private(set) var tokens = 0

    init(core: any DifferentiableCore, batchRows: Int, hasDropout: Bool) {
        self.core = core
        self.batchRows = batchRows
        self.hasDropout = hasDropout
    }

    /// One job's unit on its way through the core.
    private struct Item {
        let job: Int
        let unit: PromptJob.Unit
    }

    /// One step's sums of a job.
    private struct Sums {
        var gradient: [Float] = []
        var losses: [Float] = []
        var failure: T5Error?
    }

    /// Takes one step of every job.
    ///
    /// A job whose numbers leave the range of single precision ends.
    mutating func step(_ jobs: [PromptJob]) {
        var prompts: [[Float]] = []
        var items: [Item] = []
        for (index, job) in jobs.enumerated() {
            let prepared = job.beginStep(limit: batchRows)
            prompts.append(prepared?.prompt ?? [])
            items += (prepared?.units ?? []).map { Item(job: index, unit: $0) }
        }
        var sums = [Sums](repeating: Sums(), count: jobs.count)
        var start = 0
        while start < items.count {
            var end = start
            var rows = 0
            while end < items.count, end == start || (!hasDropout && rows + items[end].unit.rows <= batchRows)
            {
                rows += items[end].unit.rows
                end += 1
            }
            pass(Array(items[start..<end]), prompts, &sums)
            start = end
        }
        for (job, sums) in zip(jobs, sums) where !job.isFinished {
            if let failure = sums.failure {
                job.diverge(failure.message, in: job.step + 1)
            } else {
                job.finishStep(gradient: sums.gradient, losses: sums.losses)
            }
        }
    }

    /// One pass forward and back; where several jobs share it and it fails, each is tried alone.
    private mutating func pass(_ items: [Item], _ prompts: [[Float]], _ sums: inout [Sums]) {
        var rows: [[Float]] = []
        var sequences: [TrainingSequence] = []
        for item in items {
            // Each unit has a prompt of its own, so that its gradient is one sum, added to the job's in order.
            let hasPrompt = item.unit.sequences.first?.prompt != nil
            sequences += item.unit.sequences.map { sequence in
                var sequence = sequence
                sequence.prompt = hasPrompt ? rows.count : nil
                return sequence
            }
            if hasPrompt { rows.append(prompts[item.job]) }
        }
        let result: PromptGradients
        do {
            result = try core.gradients(
                prompts: rows, sequences: sequences, dropoutSeed: items.first?.unit.dropoutSeed ?? 0)
        } catch {
            if items.count == 1 {
                for item in items { sums[item.job].failure = error }
            } else {
                for item in items { pass([item], prompts, &sums) }
            }
            return
        }
        var losses = result.losses[...]
        var gradients = result.prompts[...]
        for item in items {
            sums[item.job].losses += losses.prefix(item.unit.sequences.count)
            losses = losses.dropFirst(item.unit.sequences.count)
            tokens +=
                item.unit.rows
                + item.unit.sequences.reduce(0) { $0 + $1.targetPrefix.count + $1.target.count }
            guard item.unit.sequences.first?.prompt != nil, let gradient = gradients.popFirst() else {
                continue
            }
            if sums[item.job].gradient.isEmpty {
                sums[item.job].gradient = gradient
            } else {
                for index in gradient.indices { sums[item.job].gradient[index] += gradient[index] }
            }
        }
    }
}
