import Foundation
import JSON
import T5
import Tasks
import Tokenization

/// Turns requests into what the core is to do. Called from any number of threads at once.
public struct RequestPreparer: Sendable {
    let tokenizer: (any Tokenizer)?
    private let core: T5Core
    private let catalog: TaskCatalog
    private let cacheBytes: Int

    /// A preparer of requests for the tasks of a catalog.
    ///
    /// - Parameter cacheBytes: Most bytes of keys and values that a request may need.
    init(core: T5Core, catalog: TaskCatalog, tokenizer: (any Tokenizer)?, cacheBytes: Int) {
        self.core = core
        self.catalog = catalog
        self.tokenizer = tokenizer
        self.cacheBytes = cacheBytes
    }

    /// Finds a request's task, tokenizes its text, and checks its limits.
    ///
    /// - Throws: `ServingError` saying why the request cannot be answered.
    public func prepare(_ request: InferenceRequest) throws(ServingError) -> PreparedRequest {
        let task = try catalog.resolve(request.task)
        let goal = try goal(of: request, task)
        var cost = RequestCost()
        var usage = InferenceResponse.Usage(
            promptTokens: 0, inputTokens: 0, outputTokens: 0, isTruncated: false)
        var inputs: [T5Input] = []
        for (index, member) in task.members.enumerated() {
            let (ids, isTruncated) = try ids(request.input, member.task.definition)
            let promptRows = member.prompt.count / core.configuration.modelWidth
            let decoderRows: Int
            switch goal {
            case .score(_, let plans):
                decoderRows = plans[index].decoderRows
                cost.labelRows += decoderRows
            case .generate(let options, _):
                decoderRows = options[index].decoderRows
                cost.decoderRows += options[index].branchCount
                cost.cacheBytes += core.cacheBytes(encoderRows: promptRows + ids.count, options[index])
            }
            cost.encoderRows += promptRows + ids.count
            usage.promptTokens += promptRows
            usage.inputTokens += ids.count
            usage.isTruncated = usage.isTruncated || isTruncated
            inputs.append(T5Input(rows: member.prompt, ids: ids, decoderRows: decoderRows))
        }
        guard cost.cacheBytes <= cacheBytes else { throw tooLarge(cost) }
        return PreparedRequest(
            id: request.id, cost: cost, task: task, inputs: inputs, goal: goal,
            heldBytes: usage.inputTokens * 4 + inputs.reduce(0) { $0 + $1.rows.count * 4 }
                + Self.bytes(of: goal, ownLabels: request.labels != nil),
            usage: usage)
    }

    /// About how many bytes a goal and its answer take.
    ///
    /// - Parameter ownLabels: Whether the labels are the request's, rather than kept with the task.
    private static func bytes(of goal: PreparedRequest.Goal, ownLabels: Bool) -> Int {
        switch goal {
        case .score(let labels, let plans):
            let names = labels.names.reduce(0) { $0 + 2 * $1.utf8.count + 64 }
            // A node of a trie, and a row of a plan, with what lies around them.
            return names + (ownLabels ? plans.reduce(0) { $0 + 256 * $1.nodeCount } : 0)
        case .generate(let options, _):
            // An id as a number and as text, in the output and among all outputs.
            return options.reduce(0) { $0 + 48 * $1.decoding.returnedSequences * $1.maximumNewTokens }
        }
    }

    // MARK: What the decoder is to do

    private func goal(
        of request: InferenceRequest, _ task: ResolvedTask
    ) throws(ServingError) -> PreparedRequest.Goal {
        let definition = task.first.definition
        let reader = try ObjectReader(request.decoding, nullIsAbsent: true) {
            ServingError(.invalidRequest, $0)
        }
        let decoding = try DecodingOptions(reader, over: definition.decoding)
        let limit = request.maximumNewTokens ?? definition.maxNewTokens
        guard TaskDefinition.newTokenLimits.contains(limit) else {
            throw ServingError(
                .invalidRequest,
                JSONValue.mismatch(
                    "max_tokens", found: "the number \(limit)",
                    expected: "an integer from 1 to \(TaskDefinition.newTokenLimits.upperBound)"))
        }
        // What the core lacks would be refused there with everything that shares the batch.
        func check(_ check: (T5Configuration) throws(T5Error) -> Void) throws(ServingError) {
            do { try check(core.configuration) } catch { throw ServingError(.taskUnusable, error.message) }
        }
        if let labels = try labels(request, task.first) {
            let plans = task.members.map { member, _ in
                request.labels == nil
                    ? member.labelPlan ?? member.plan(for: labels) : member.plan(for: labels)
            }
            for plan in plans { try check(plan.check) }
            return .score(labels, plans)
        }
        let stop = try stopTexts(decoding.stop)
        let options = task.members.map { member, _ in
            var options = GenerationOptions(
                prefix: member.prefix, maximumNewTokens: limit, decoding: decoding)
            if let stop { options.isComplete = { stop.areReached(by: $0) } }
            return options
        }
        for options in options { try check(options.check) }
        return .generate(options, stop)
    }

    private func stopTexts(_ texts: [String]) throws(ServingError) -> StopTexts? {
        guard !texts.isEmpty else { return nil }
        guard let tokenizer else { throw ServedTask.noTokenizer("stop") }
        return StopTexts(texts, tokenizer: tokenizer)
    }

    /// The labels to score: the task's, those of them that the request names, or the request's own texts.
    private func labels(
        _ request: InferenceRequest, _ task: ServedTask
    ) throws(ServingError) -> LabelSet? {
        guard let names = request.labels else { return task.labels }
        guard let tokenizer else { throw ServedTask.noTokenizer("labels") }
        do {
            let verbalizer =
                try task.definition.verbalizer?.restricted(to: names)
                ?? Verbalizer(names.map { Verbalizer.Label(name: $0, text: $0) })
            return try LabelSet(names: verbalizer.names, texts: verbalizer.texts, tokenizer: tokenizer)
        } catch let error as TaskError {
            throw ServingError(.invalidRequest, error.message)
        } catch let error as ServingError {
            throw ServingError(.invalidRequest, error.message)
        } catch {
            throw ServingError(.invalidRequest, "\(error)")
        }
    }

    // MARK: What the encoder reads

    /// The input as ids, text cut at the task's limit with the end-of-sequence id kept as the last.
    private func ids(
        _ input: InferenceRequest.Input, _ definition: TaskDefinition
    ) throws(ServingError) -> (ids: [Int32], isTruncated: Bool) {
        let text: TemplateText
        switch input {
        case .ids(let ids):
            try check(ids, definition)
            return (ids, false)
        case .rendered(let rendered): text = rendered
        case .text(let value):
            do { text = try definition.template.render(value) } catch {
                throw ServingError(.invalidRequest, error.message)
            }
        }
        guard let tokenizer else { throw ServedTask.noTokenizer("text") }
        return try definition.inputIDs(of: text, tokenizer: tokenizer, configuration: core.configuration)
    }

    private func check(_ ids: [Int32], _ definition: TaskDefinition) throws(ServingError) {
        let limit = definition.maxInputTokens
        guard ids.count <= limit else {
            throw ServingError(
                .inputTooLong, "input_ids has \(ids.count) ids; this task takes at most \(limit)")
        }
        let vocabulary = core.configuration.vocabularySize
        for (index, id) in ids.enumerated() where id < 0 || id >= vocabulary {
            throw ServingError(
                .idOutOfRange, "input_ids[\(index)] is \(id); this core has ids 0 to \(vocabulary - 1)")
        }
    }

    private func tooLarge(_ cost: RequestCost) -> ServingError {
        func gigabytes(_ bytes: Int) -> String { String(format: "%.2f GB", Double(bytes) / 1e9) }
        return ServingError(
            .invalidRequest,
            "generating this may need \(gigabytes(cost.cacheBytes)) of keys and values, more than the "
                + "\(gigabytes(cacheBytes)) that this engine has for them; lower max_tokens, "
                + "num_beams or num_return_sequences, or shorten the input")
    }
}

extension TaskDefinition {
    /// As much of a text as is read for the task's limit of ids. A text in which nothing is repeated is the whole one,
    /// which tokenizers look through by themselves.
    package func beginning(of input: TemplateText) -> (text: String, isWhole: Bool) {
        input.text(upTo: max(input.partBytes, mostBytesRead(forIDs: maxInputTokens)))
    }

    /// The ids of text that the template has been applied to: cut at the task's limit, with the end-of-sequence
    /// id kept as the last.
    ///
    /// - Throws: `ServingError` when the tokenizer has ids that the core lacks.
    package func inputIDs(
        of input: TemplateText, tokenizer: any Tokenizer, configuration: T5Configuration
    ) throws(ServingError) -> (ids: [Int32], isTruncated: Bool) {
        let (text, isWhole) = beginning(of: input)
        let (ids, isCut) = tokenizer.encode(text, limit: maxInputTokens)
        let isTruncated = isCut || !isWhole
        try ServedTask.checkEncoded(ids, "the text")
        for id in ids where id >= configuration.vocabularySize {
            throw ServingError(
                .idOutOfRange,
                "the tokenizer gave id \(id), this core has ids 0 to \(configuration.vocabularySize - 1); "
                    + "tokenizer and checkpoint do not belong together")
        }
        return (ids, isTruncated)
    }
}
