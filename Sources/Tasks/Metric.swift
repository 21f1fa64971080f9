import Basics

/// How answers are scored. Raw values are the names in `task.json` and the keys in results. Higher is better for
/// all of them.
public enum Metric: String, Sendable, Hashable, CaseIterable {
    /// The share of right answers, compared to the letter.
    case accuracy
    /// The mean F1 over the labels that occur or are given.
    case macroF1 = "macro_f1"
    /// F1 of the positive label, the second of a task's two (MRPC, QQP).
    case f1
    /// The correlation coefficient of Matthews (CoLA).
    case matthews
    /// Pearson's correlation of answers read as numbers (STS-B).
    case pearson
    /// Spearman's rank correlation of answers read as numbers (STS-B).
    case spearman
    /// The share of right answers in normal form (``AnswerText/normalized(_:)``), or, for a task with labels, to
    /// the letter. Rows with the same group count as one, right when all of them are (MultiRC).
    case exactMatch = "exact_match"
    /// The mean F1 of words shared with the nearest right answer (ReCoRD, SQuAD).
    case tokenF1 = "token_f1"
    /// F1 of the positive label over all answer options of all questions (MultiRC's F1a, Khashabi et al. 2018).
    case f1A = "f1_a"

    /// The metrics that are reported together with this one, itself first.
    public var reported: [Metric] {
        switch self {
        case .accuracy: [.accuracy]
        case .macroF1: [.macroF1, .accuracy]
        case .f1: [.f1, .accuracy]
        case .matthews: [.matthews, .accuracy]
        case .pearson: [.pearson, .spearman]
        case .spearman: [.spearman, .pearson]
        case .exactMatch: [.exactMatch, .tokenF1]
        case .tokenF1: [.tokenF1, .exactMatch]
        case .f1A: [.f1A, .exactMatch]
        }
    }

    /// Refuses a metric that a task with these labels cannot have: F1 and F1a need two labels, macro-F1 and
    /// Matthews need labels, and the correlations need labels that are numbers, or none.
    func validate(for verbalizer: Verbalizer?) throws(TaskError) {
        func failure(_ needs: String) -> TaskError {
            TaskError("\"metric\": \"\(rawValue)\" needs a task with \(needs)")
        }
        switch self {
        case .accuracy, .exactMatch, .tokenF1: return
        case .macroF1, .matthews:
            guard verbalizer != nil else { throw failure("labels") }
        case .f1, .f1A:
            guard verbalizer?.labels.count == 2 else {
                throw failure("exactly two labels, the second of them the positive one")
            }
        case .pearson, .spearman:
            for name in verbalizer?.names ?? [] where AnswerText.number(name) == nil {
                throw failure("labels that are numbers, \(name.quoted) is not one")
            }
        }
    }

    /// The score of the answers: 0 to 1, correlations -1 to 1; 0 without answers.
    ///
    /// An answer or reference that is not one of `labels` is wrong, not an error.
    /// - Parameter labels: the names of the task's labels in order, none for free text.
    /// - Throws: when F1 is asked for other than two labels, or a correlation where a reference is not a number.
    public func score(_ answers: [EvaluatedAnswer], labels: [String]) throws(TaskError) -> Double {
        switch self {
        case .accuracy: return ConfusionMatrix(answers).accuracy
        case .macroF1: return ConfusionMatrix(answers).macroF1
        case .matthews: return ConfusionMatrix(answers).matthews
        case .f1, .f1A:
            guard labels.count == 2 else {
                throw TaskError("\(rawValue): \(labels.count) labels were found, exactly two were expected")
            }
            return ConfusionMatrix(answers).f1(of: labels[1])
        case .pearson:
            let (given, right) = try numbers(answers)
            return Correlation.pearson(given, right)
        case .spearman:
            let (given, right) = try numbers(answers)
            return Correlation.spearman(given, right)
        case .exactMatch:
            return Self.groupedShare(answers) { labels.isEmpty ? $0.matchesNormalized : $0.isCorrect }
        case .tokenF1:
            return answers.isEmpty ? 0 : answers.reduce(0) { $0 + $1.tokenF1 } / Double(answers.count)
        }
    }

    /// The share of groups whose rows all pass; a row without a group is one of its own.
    private static func groupedShare(
        _ answers: [EvaluatedAnswer], passes: (EvaluatedAnswer) -> Bool
    ) -> Double {
        var groups: [ByteText: Bool] = [:]
        var count = 0
        var passed = 0
        for answer in answers {
            if let group = answer.group.map(ByteText.init) {
                groups[group] = (groups[group] ?? true) && passes(answer)
            } else {
                count += 1
                passed += passes(answer) ? 1 : 0
            }
        }
        count += groups.count
        passed += groups.values.count { $0 }
        return count == 0 ? 0 : Double(passed) / Double(count)
    }

    /// Answers and references as numbers. An answer that is none counts as -1, as in T5's own evaluation; of
    /// several references the nearest counts.
    private func numbers(_ answers: [EvaluatedAnswer]) throws(TaskError) -> (given: [Double], right: [Double])
    {
        var given: [Double] = []
        var right: [Double] = []
        for (index, answer) in answers.enumerated() {
            let value = AnswerText.number(answer.prediction) ?? -1
            let references = answer.references.map(AnswerText.number)
            let known = references.compactMap { $0 }
            guard known.count == references.count,
                let nearest = known.min(by: { ($0 - value).magnitude < ($1 - value).magnitude })
            else {
                throw TaskError(
                    "\(rawValue): the reference \(answer.references.quotedList) of row \(index + 1) is not a number"
                )
            }
            given.append(value)
            right.append(nearest)
        }
        return (given, right)
    }
}
