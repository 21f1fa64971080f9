import Foundation
import JSON
import PromptStore
import T5
import Tasks
import Tokenization

/// A request whose task is found, whose text is tokenized and whose limits are checked: all that is left is
/// the core's work and the wording of the answer.
struct PreparedRequest: Sendable {
    /// The request's id.
    let id: JSONValue?
    /// What the answer calls the task.
    let task: String?
    /// The task that answers, or an ensemble's members.
    let members: [Member]
    /// How an ensemble's members are combined; `nil` for a single task.
    let combination: Combination?
    let work: Work
    /// Texts before which a generated answer ends.
    let stop: StopTexts?

    /// What is wanted of every member.
    enum Work: Sendable {
        case score(ServedTask.LabelSet)
        /// Options without a prefix, which is each member's own.
        case generate(GenerationOptions)
    }

    struct Member: Sendable {
        let task: ServedTask
        let prompt: [Float]
        /// Rows of the prompt.
        let promptRows: Int
        let ids: [Int32]
        /// Whether the text was cut at the task's limit.
        let isTruncated: Bool

        /// Encoder rows that it takes.
        var encoderRows: Int { promptRows + ids.count }

        /// Options with its prefix.
        func prefixed(_ options: GenerationOptions) -> GenerationOptions {
            var options = options
            options.prefix = task.prefix
            return options
        }
    }

    /// Encoder rows that the request takes.
    var encoderRows: Int { members.reduce(0) { $0 + $1.encoderRows } }

    /// The core's work, an item a member.
    var items: [CoreItem] {
        members.map { member in
            let work: CoreItem.Work
            let decoderRows: Int
            switch self.work {
            case .score(let labels):
                let normalization: LabelNormalization =
                    member.task.definition.normalize == .labels ? .labels : .vocabulary
                let options = LabelScoringOptions(
                    trie: labels.trie, normalization: normalization, prefix: member.task.prefix)
                work = .score(options)
                decoderRows = options.decoderRows
            case .generate(let options):
                let options = member.prefixed(options)
                work = .generate(options)
                decoderRows = options.decoderRows
            }
            let input = T5Input(rows: member.prompt, ids: member.ids, decoderRows: decoderRows)
            return CoreItem(input: input, work: work)
        }
    }

    /// Words the answer.
    ///
    /// - Parameter outputs: One a member, in their order.
    func answer(_ outputs: [CoreOutput], tokenizer: (any Tokenizer)?) -> InferenceResponse.Answer {
        var answer = InferenceResponse.Answer(
            task: task, version: combination == nil ? members.first?.task.version : nil, output: nil,
            outputIDs: [], outputs: [], label: nil, scores: nil, finishReason: .stop,
            usage: InferenceResponse.Usage(
                promptTokens: members.reduce(0) { $0 + $1.promptRows },
                inputTokens: members.reduce(0) { $0 + $1.ids.count }, outputTokens: 0,
                isTruncated: members.contains { $0.isTruncated }))
        switch work {
        case .score(let labels):
            let (probabilities, best) = combine(
                outputs.map { output in
                    guard case .logLikelihoods(let values) = output else { return [] }
                    return Self.softmax(values)
                })
            answer.label = labels.names[best]
            answer.output = labels.texts[best]
            answer.outputIDs = labels.ids[best]
            answer.scores = zip(labels.names, probabilities).map { ($0, $1) }
            answer.usage.outputTokens = answer.outputIDs.count
        case .generate(let options):
            let members = outputs.compactMap { output -> [Generation]? in
                guard case .generations(let generations) = output else { return nil }
                return generations
            }
            let worded = Self.majority(members).map { word($0, tokenizer: tokenizer) }
            answer.output = worded.first?.text
            answer.outputIDs = worded.first?.ids ?? []
            answer.finishReason = worded.first?.finishReason ?? .length
            if options.returnedSequences > 1 { answer.outputs = worded }
            answer.usage.outputTokens = worded.reduce(0) { $0 + $1.ids.count }
        }
        return answer
    }

    /// A generated sequence as text, which ends before the first stop text.
    private func word(_ generation: Generation, tokenizer: (any Tokenizer)?) -> InferenceResponse.Output {
        let text = tokenizer?.decode(generation.ids)
        let cut = text.flatMap { stop?.cut($0) }
        return InferenceResponse.Output(
            text: cut ?? text, ids: generation.ids,
            finishReason: cut != nil || generation.isFinished ? .stop : .length)
    }

    /// The members' probabilities as one (their mean, or each label's share of the members' votes) and the
    /// label they choose. Labels with equally many votes are told apart by their mean probability, and the
    /// earlier of equally likely labels wins.
    private func combine(_ members: [[Double]]) -> (probabilities: [Double], best: Int) {
        func best(_ values: [Double]) -> Int { values.indices.max { values[$0] < values[$1] } ?? 0 }
        let share = 1 / Double(members.count)
        var mean = [Double](repeating: 0, count: members.first?.count ?? 0)
        var votes = mean
        for member in members {
            for index in mean.indices { mean[index] += member[index] * share }
            votes[best(member)] += share
        }
        guard combination == .majority else { return (mean, best(mean)) }
        let chosen = votes.indices.max { (votes[$0], mean[$0]) < (votes[$1], mean[$1]) } ?? 0
        return (votes, chosen)
    }

    /// What the first of those members generated whose best output most members gave.
    private static func majority(_ members: [[Generation]]) -> [Generation] {
        var counts: [[Int32]: Int] = [:]
        for member in members { counts[member.first?.ids ?? [], default: 0] += 1 }
        let most = counts.values.max()
        return members.first { counts[$0.first?.ids ?? []] == most } ?? []
    }

    /// Over the labels' children the log-likelihoods are already normalised, and this changes nothing but
    /// rounding; over the vocabulary it is the definition of the scores.
    private static func softmax(_ logLikelihoods: [Double]) -> [Double] {
        let largest = logLikelihoods.max() ?? 0
        let weights = logLikelihoods.map { exp($0 - largest) }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }
}
