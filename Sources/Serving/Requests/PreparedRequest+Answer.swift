import Foundation
import T5
import Tokenization

extension PreparedRequest {
    /// The response to a request whose numbers are not finite.
    var notFinite: InferenceResponse {
        let task = task.members.map { member, _ in
            guard let name = member.name else { return "the bare core" }
            return "the task \(name)" + (member.version.map { "@\($0)" } ?? "")
        }.joined(separator: " or ")
        return InferenceResponse(
            id: id,
            result: .failure(
                ServingError(
                    .notFinite,
                    "the core's numbers for this input of \(task) are not finite: values of the prompt or of the "
                        + "core are too large for this precision")))
    }

    /// The response to a request that had labels scored.
    ///
    /// - Parameter logLikelihoods: Each label's, for each member of the task.
    func response(_ labels: LabelSet, _ logLikelihoods: some Collection<[Double]>) -> InferenceResponse {
        let (probabilities, best) = combine(logLikelihoods.map(Self.softmax))
        var answer = answer(labels.texts[best], labels.ids[best], .stop)
        answer.label = labels.names[best]
        answer.scores = zip(labels.names, probabilities).map { ($0, $1) }
        answer.usage.outputTokens = answer.outputIDs.count
        return InferenceResponse(id: id, result: .success(answer))
    }

    /// The response to a request that had text generated.
    ///
    /// - Parameter generations: What each member of the task generated, the best first.
    func response(_ generations: [[Generation]], tokenizer: (any Tokenizer)?) -> InferenceResponse {
        let (options, stop): ([GenerationOptions], StopTexts?) =
            if case .generate(let options, let stop) = goal { (options, stop) } else { ([], nil) }
        let outputs = Self.majority(generations).map { generation in
            // The text ends before the first stop text.
            let text = tokenizer?.decode(generation.ids)
            let cut = text.flatMap { stop?.cut($0) }
            return InferenceResponse.Output(
                text: cut ?? text, ids: generation.ids,
                finishReason: cut != nil || generation.isFinished ? .stop : .length)
        }
        var answer = answer(
            outputs.first?.text, outputs.first?.ids ?? [], outputs.first?.finishReason ?? .length)
        if options.contains(where: { $0.decoding.returnedSequences > 1 }) { answer.outputs = outputs }
        answer.usage.outputTokens = outputs.reduce(0) { $0 + $1.ids.count }
        return InferenceResponse(id: id, result: .success(answer))
    }

    private func answer(
        _ text: String?, _ ids: [Int32], _ finishReason: InferenceResponse.FinishReason
    ) -> InferenceResponse.Answer {
        InferenceResponse.Answer(
            task: task.name, version: task.combination == nil ? task.first.version : nil, output: text,
            outputIDs: ids, outputs: [], label: nil, scores: nil, finishReason: finishReason, usage: usage)
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
        guard task.combination == .majority else { return (mean, best(mean)) }
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

    /// Over the labels' children the log-likelihoods are already normalized, and this changes nothing but
    /// rounding; over the vocabulary it is the definition of the scores.
    private static func softmax(_ logLikelihoods: [Double]) -> [Double] {
        let largest = logLikelihoods.max() ?? 0
        let weights = logLikelihoods.map { exp($0 - largest) }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }
}
