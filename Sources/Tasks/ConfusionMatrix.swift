import Basics
import JSON

/// How often each label was given for each right one.
///
/// Counts are kept only where they are not zero, so that ten thousand labels cost no more than their answers.
public struct ConfusionMatrix: Sendable {
    /// The task's labels in order, then other names in order of appearance.
    public let labels: [String]
    /// The number of answers.
    public let total: Int
    /// The number of right answers.
    public let correct: Int

    private struct Cell: Hashable {
        let reference: Int
        let prediction: Int
    }
    private let indices: [ByteText: Int]
    private let cells: [Cell: Int]
    private let referenceTotals: [Int]
    private let predictionTotals: [Int]

    /// Counts the answers. Where several answers are right, the reference is the one given, or else the first.
    public init(_ answers: [EvaluatedAnswer], labels: [String] = []) {
        var names: [String] = []
        var indices: [ByteText: Int] = [:]
        func index(_ name: String) -> Int {
            let key = ByteText(name)
            if let index = indices[key] { return index }
            indices[key] = names.count
            names.append(name)
            return names.count - 1
        }
        for label in labels { _ = index(label) }
        var cells: [Cell: Int] = [:]
        for answer in answers {
            cells[
                Cell(reference: index(answer.reference), prediction: index(answer.prediction)), default: 0] +=
                1
        }
        var referenceTotals = [Int](repeating: 0, count: names.count)
        var predictionTotals = referenceTotals
        var correct = 0
        for (cell, count) in cells {
            referenceTotals[cell.reference] += count
            predictionTotals[cell.prediction] += count
            if cell.reference == cell.prediction { correct += count }
        }
        self.labels = names
        self.indices = indices
        self.cells = cells
        self.referenceTotals = referenceTotals
        self.predictionTotals = predictionTotals
        self.correct = correct
        total = answers.count
    }

    /// The number of answers `prediction` where `reference` was right.
    public func count(reference: String, prediction: String) -> Int {
        guard let row = indices[ByteText(reference)], let column = indices[ByteText(prediction)] else {
            return 0
        }
        return cells[Cell(reference: row, prediction: column)] ?? 0
    }

    /// Right answers over all answers; 0 without answers.
    public var accuracy: Double { total == 0 ? 0 : Double(correct) / Double(total) }

    /// 2·TP / (2·TP + FP + FN) of one label; 0 where it neither occurs nor is given.
    public func f1(of label: String) -> Double { indices[ByteText(label)].map(f1(at:)) ?? 0 }

    /// The mean F1 over the labels that occur or are given (as scikit-learn's `average="macro"`).
    public var macroF1: Double {
        let present = labels.indices.filter { referenceTotals[$0] + predictionTotals[$0] > 0 }
        return present.isEmpty ? 0 : present.map(f1(at:)).reduce(0, +) / Double(present.count)
    }

    /// The correlation coefficient of Matthews, for any number of labels (Gorodkin 2004); 0 where it is not
    /// defined: one label only among the right answers, or among those given.
    public var matthews: Double {
        let count = Double(total)
        var agreement = Double(correct) * count
        var references = count * count
        var predictions = count * count
        for index in labels.indices {
            let right = Double(referenceTotals[index])
            let given = Double(predictionTotals[index])
            agreement -= right * given
            references -= right * right
            predictions -= given * given
        }
        guard references > 0, predictions > 0 else { return 0 }
        return agreement / (references.squareRoot() * predictions.squareRoot())
    }

    /// `{right label: {given label: count}}`, without zeros.
    public var json: JSONObject {
        var rows = JSONObject()
        let filled = cells.sorted { left, right in
            (left.key.reference, left.key.prediction) < (right.key.reference, right.key.prediction)
        }
        var row = JSONObject()
        for (index, (cell, count)) in filled.enumerated() {
            row[labels[cell.prediction]] = JSONValue(count)
            guard index + 1 == filled.count || filled[index + 1].key.reference != cell.reference else {
                continue
            }
            rows[labels[cell.reference]] = .object(row)
            row = JSONObject()
        }
        return rows
    }

    private func f1(at index: Int) -> Double {
        let hits = Double(cells[Cell(reference: index, prediction: index)] ?? 0)
        let occurrences = Double(referenceTotals[index] + predictionTotals[index])
        return occurrences == 0 ? 0 : 2 * hits / occurrences
    }
}
