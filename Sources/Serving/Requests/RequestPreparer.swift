import JSON
import T5
import Tasks
import Tokenization

/// Turns lines into prepared requests. Safe to call from several threads at once.
struct RequestPreparer: Sendable {
    let catalog: TaskCatalog
    let tokenizer: (any Tokenizer)?
    let configuration: T5Configuration

    /// A request ready for the core, or the response that says why it cannot be answered.
    enum Outcome: Sendable {
        case ready(PreparedRequest)
        case failed(InferenceResponse)
    }

    /// Prepares one line.
    func prepare(_ line: LineReader.Line) -> Outcome {
        guard case .bytes(let bytes) = line else {
            let error = ServingError(
                .lineTooLong,
                "the line is longer than \(LineReader.maximumLineLength) bytes; split the request")
            return .failed(InferenceResponse(id: nil, result: .failure(error)))
        }
        let (id, parsed) = InferenceRequest.parse(bytes)
        switch parsed {
        case .success(let request): return prepare(request)
        case .failure(let error): return .failed(InferenceResponse(id: id, result: .failure(error)))
        }
    }

    /// Prepares one request.
    func prepare(_ request: InferenceRequest) -> Outcome {
        do {
            return .ready(try checked(request))
        } catch {
            return .failed(InferenceResponse(id: request.id, result: .failure(error)))
        }
    }

    private func checked(_ request: InferenceRequest) throws(ServingError) -> PreparedRequest {
        let resolved = try catalog.resolve(request.task)
        let definition = resolved.first.definition
        let decoding: DecodingDefaults
        do {
            decoding = try definition.decoding.overridden(by: request.decoding)
        } catch {
            throw ServingError(.invalidRequest, error.message)
        }
        let limit = request.maximumNewTokens ?? definition.maxNewTokens
        guard TaskDefinition.newTokenLimits.contains(limit) else {
            throw ServingError(
                .invalidRequest,
                "max_tokens is \(limit); at most \(TaskDefinition.newTokenLimits.upperBound) "
                    + "was expected")
        }
        let labels = try labels(request, resolved.first)
        let stop = try labels == nil ? stopTexts(decoding.stop) : nil
        var members: [PreparedRequest.Member] = []
        for (task, prompt) in resolved.members {
            let (ids, isTruncated) = try ids(request.input, task.definition)
            members.append(
                PreparedRequest.Member(
                    task: task, prompt: prompt, promptRows: prompt.count / configuration.modelWidth, ids: ids,
                    isTruncated: isTruncated))
        }
        return PreparedRequest(
            id: request.id, task: resolved.name, members: members, combination: resolved.combination,
            work: labels.map { .score($0) }
                ?? .generate(GenerationOptions(decoding, maximumNewTokens: limit, stop: stop)),
            stop: stop)
    }

    private func stopTexts(_ texts: [String]) throws(ServingError) -> StopTexts? {
        guard !texts.isEmpty else { return nil }
        guard let tokenizer else { throw ServedTask.noTokenizer("stop") }
        return StopTexts(texts, tokenizer: tokenizer)
    }

    /// The labels to score: the task's, those of them that the request names, or the request's own texts.
    private func labels(
        _ request: InferenceRequest, _ task: ServedTask
    ) throws(ServingError) -> ServedTask.LabelSet? {
        guard let names = request.labels else { return task.labels }
        guard let tokenizer else { throw ServedTask.noTokenizer("labels") }
        do {
            let verbalizer =
                try task.definition.verbalizer?.restricted(to: names)
                ?? Verbalizer(names.map { Verbalizer.Label(name: $0, text: $0) })
            return try ServedTask.LabelSet(
                names: verbalizer.names, texts: verbalizer.texts, tokenizer: tokenizer)
        } catch let error as TaskError {
            throw ServingError(.invalidRequest, error.message)
        } catch let error as ServingError {
            throw ServingError(.invalidRequest, error.message)
        } catch {
            throw ServingError(.invalidRequest, "\(error)")
        }
    }

    /// The input as ids, text cut at the task's limit with the end-of-sequence id kept as the last.
    private func ids(
        _ input: InferenceRequest.Input, _ definition: TaskDefinition
    ) throws(ServingError) -> (ids: [Int32], isTruncated: Bool) {
        let limit = definition.maxInputTokens
        switch input {
        case .ids(let ids):
            guard ids.count <= limit else {
                throw ServingError(
                    .inputTooLong, "input_ids has \(ids.count) ids; this task takes at most \(limit)")
            }
            for (index, id) in ids.enumerated() where id < 0 || id >= configuration.vocabularySize {
                throw ServingError(
                    .idOutOfRange,
                    "input_ids[\(index)] is \(id); this core has ids 0 to \(configuration.vocabularySize - 1)"
                )
            }
            return (ids, false)
        case .text(let value):
            do { return try encode(definition.template.render(value), definition) } catch let error
                as TaskError
            {
                throw ServingError(.invalidRequest, error.message)
            } catch let error as ServingError {
                throw error
            } catch {
                throw ServingError(.invalidRequest, "\(error)")
            }
        case .rendered(let text): return try encode(text, definition)
        }
    }

    private func encode(
        _ text: String, _ definition: TaskDefinition
    ) throws(ServingError) -> (ids: [Int32], isTruncated: Bool) {
        guard let tokenizer else { throw ServedTask.noTokenizer("text") }
        return try definition.inputIDs(of: text, tokenizer: tokenizer, configuration: configuration)
    }
}

extension TaskDefinition {
    /// The ids of text that the template has been applied to: cut at the task's limit, with the end-of-sequence
    /// id kept as the last.
    ///
    /// - Throws: `ServingError` when the tokenizer has ids that the core lacks.
    package func inputIDs(
        of text: String, tokenizer: any Tokenizer, configuration: T5Configuration
    ) throws(ServingError) -> (ids: [Int32], isTruncated: Bool) {
        let (ids, isTruncated) = tokenizer.encode(text, limit: maxInputTokens)
        for id in ids where id >= configuration.vocabularySize {
            throw ServingError(
                .idOutOfRange,
                "the tokenizer gave id \(id), this core has ids 0 to \(configuration.vocabularySize - 1); "
                    + "tokenizer and checkpoint do not belong together")
        }
        return (ids, isTruncated)
    }
}

extension GenerationOptions {
    /// A task's or request's decoding settings as the core takes them.
    init(_ decoding: DecodingDefaults, maximumNewTokens: Int, stop: StopTexts?) {
        self.init(maximumNewTokens: maximumNewTokens)
        minimumNewTokens = decoding.minNewTokens
        repetitionPenalty = Float(decoding.repetitionPenalty)
        temperature = Float(decoding.temperature)
        topK = decoding.topK
        topP = decoding.topP
        seed = decoding.seed
        beamCount = decoding.beamCount
        lengthPenalty = decoding.lengthPenalty
        earlyStopping = decoding.earlyStopping
        returnedSequences = decoding.returnSequenceCount
        if let stop { self.stop = { stop.areReached(by: $0) } }
    }
}
