import JSON
import Tasks
import Testing

// Reference values were computed with scikit-learn 1.9.1 and SciPy 1.17.1 on the lists below (drawn at random
// once): accuracy_score, f1_score, matthews_corrcoef, confusion_matrix, pearsonr, spearmanr. Letters stand for
// labels.

private let nli = ["entailment", "contradiction", "neutral"]
private let nliRight = "eececeeceeeeeceecncenece"
private let nliGiven = "eececeecneeccceeneceneee"
private let binary = ["no", "yes"]
private let binaryRight = "ynynyynnyyyyynnyynny"
private let binaryGiven = "yynnyynnyyynynnnynnn"
private let scoresRight = [4.0, 4.4, 1.4, 2.0, 1.8, 4.4, 4.8, 0.8, 0.8, 1.2, 1.2, 2.4, 3.0, 1.4, 0.0, 2.0]
private let scoresGiven = [3.0, 5.0, 3.2, 1.4, 0.2, 4.2, 4.6, 0.4, 2.4, 0.0, 2.8, 0.8, 2.0, 2.2, 1.4, 3.0]

@Suite("Metrics of labels")
struct LabelMetricTests {
    @Test("three labels agree with scikit-learn")
    func threeLabels() throws {
        let rows = try answers(nliRight, nliGiven, names: nli)
        #expect(isClose(try Metric.accuracy.score(rows, labels: nli), 0.75))
        #expect(isClose(try Metric.macroF1.score(rows, labels: nli), 0.6472906403940887))
        #expect(isClose(try Metric.matthews.score(rows, labels: nli), 0.5391137434063902))
    }

    @Test("two labels agree with scikit-learn; the second is the positive one")
    func twoLabels() throws {
        let rows = try answers(binaryRight, binaryGiven, names: binary)
        #expect(isClose(try Metric.accuracy.score(rows, labels: binary), 0.75))
        #expect(isClose(try Metric.f1.score(rows, labels: binary), 0.7619047619047619))
        #expect(isClose(try Metric.f1A.score(rows, labels: binary), 0.7619047619047619))
        #expect(isClose(try Metric.matthews.score(rows, labels: binary), 0.5333964609104418))
        // With the order reversed "no" is positive: 7 hits, 5 misses and false alarms together.
        #expect(isClose(try Metric.f1.score(rows, labels: ["yes", "no"]), 14.0 / 19.0))
    }

    @Test("a label the task lacks counts as wrong")
    func unknownReference() throws {
        let rows = try answers(
            nliRight.replacing("n", with: "o"), nliGiven, names: nli + ["other"])
        #expect(isClose(try Metric.accuracy.score(rows, labels: nli), 0.7083333333333334))
        #expect(isClose(try Metric.macroF1.score(rows, labels: nli), 0.3854679802955665))
        #expect(isClose(try Metric.matthews.score(rows, labels: nli), 0.48100567525480326))
    }

    @Test("a label that neither occurs nor is given does not count in macro-F1")
    func absentLabel() throws {
        let rows = try answers("eecc", "eccc", names: nli)
        #expect(isClose(try Metric.macroF1.score(rows, labels: nli), 0.7333333333333334))
    }

    @Test("Matthews of a constant answer is 0")
    func constantAnswer() throws {
        let rows = try answers(binaryRight, String(repeating: "y", count: 20), names: binary)
        #expect(try Metric.matthews.score(rows, labels: binary) == 0)
        let constant = try answers("yyyy", "ynyn", names: binary)
        #expect(try Metric.matthews.score(constant, labels: binary) == 0)
    }

    @Test("any of several right answers will do")
    func severalReferences() throws {
        let rows = [
            EvaluatedAnswer(prediction: "no", references: ["yes", "no"]),
            EvaluatedAnswer(prediction: "yes", references: ["yes", "no"]),
            EvaluatedAnswer(prediction: "no", references: ["yes"]),
            EvaluatedAnswer(prediction: "no", references: []),
        ]
        #expect(try Metric.accuracy.score(rows, labels: binary) == 0.5)
        // yes: one hit, one miss.
        #expect(isClose(try Metric.f1.score(rows, labels: binary), 2.0 / 3.0))
    }

    @Test("F1 of other than two labels is refused")
    func f1NeedsTwo() throws {
        for metric in [Metric.f1, .f1A] {
            expectRefusal(metric.rawValue, "3 labels", "two") {
                try metric.score([], labels: nli)
            }
        }
    }

    @Test("exact match of groups: a question is right when all its rows are")
    func groups() throws {
        let rows = try answers(binaryRight, binaryGiven, names: binary) { "question \($0 / 3)" }
        // 3 of the 7 questions, counted in Python.
        #expect(isClose(try Metric.exactMatch.score(rows, labels: binary), 3.0 / 7.0))
        // Rows without a group stand alone.
        let alone = rows + [EvaluatedAnswer(prediction: "yes", references: ["yes"])]
        #expect(isClose(try Metric.exactMatch.score(alone, labels: binary), 4.0 / 8.0))
        // F1a looks at every row by itself.
        #expect(isClose(try Metric.f1A.score(rows, labels: binary), 0.7619047619047619))
    }

    @Test("labels are compared to the letter")
    func exactLabels() throws {
        let rows = [EvaluatedAnswer(prediction: "Yes.", references: ["yes"])]
        #expect(try Metric.exactMatch.score(rows, labels: ["yes", "Yes."]) == 0)
        #expect(try Metric.exactMatch.score(rows, labels: []) == 1)
    }

    @Test("without answers every score is 0", arguments: Metric.allCases)
    func noAnswers(metric: Metric) throws {
        #expect(try metric.score([], labels: binary) == 0)
    }
}

@Suite("Metrics of numbers")
struct NumberMetricTests {
    private func rows(_ right: [Double], _ given: [Double]) -> [EvaluatedAnswer] {
        zip(right, given).map { EvaluatedAnswer(prediction: "\($0.1)", references: ["\($0.0)"]) }
    }

    @Test("correlations agree with SciPy, ties included")
    func correlations() throws {
        let rows = rows(scoresRight, scoresGiven)
        #expect(isClose(try Metric.pearson.score(rows, labels: []), 0.6863348536252472))
        #expect(isClose(try Metric.spearman.score(rows, labels: []), 0.5779762914399024))
        #expect(isClose(Correlation.pearson(scoresRight, scoresRight.map { 7 - 2 * $0 }), -1))
        #expect(isClose(Correlation.spearman(scoresRight, scoresRight.map { $0 * $0 * $0 }), 1))
    }

    @Test("a constant list, a single pair and no pair correlate at 0")
    func undefined() throws {
        #expect(Correlation.pearson([1, 2, 3], [0.1, 0.1, 0.1]) == 0)
        #expect(Correlation.spearman([4, 4, 4], [1, 2, 3]) == 0)
        #expect(Correlation.pearson([1], [2]) == 0)
        #expect(Correlation.pearson([], []) == 0)
    }

    @Test("scale changes nothing, however large or small", arguments: [1e-300, 1e-9, 1e9, 1e307])
    func scale(factor: Double) {
        let scaled = scoresRight.map { $0 * factor }
        #expect(isClose(Correlation.pearson(scaled, scoresGiven), 0.6863348536252472))
        #expect(isClose(Correlation.spearman(scoresGiven, scaled), 0.5779762914399024))
    }

    @Test("an answer that is no number counts as -1")
    func notANumber() throws {
        let words = [
            EvaluatedAnswer(prediction: "similar", references: ["1"]),
            EvaluatedAnswer(prediction: "2", references: ["2"]),
            EvaluatedAnswer(prediction: "3", references: ["4"]),
        ]
        #expect(
            isClose(try Metric.pearson.score(words, labels: []), Correlation.pearson([-1, 2, 3], [1, 2, 4])))
    }

    @Test("of several references the nearest counts; one that is no number is refused")
    func references() throws {
        let several = [
            EvaluatedAnswer(prediction: "1", references: ["5", "1"]),
            EvaluatedAnswer(prediction: "2", references: ["2"]),
            EvaluatedAnswer(prediction: "3", references: ["3", "0"]),
        ]
        #expect(isClose(try Metric.pearson.score(several, labels: []), 1))
        for references in [["high"], [], ["1", "high"]] {
            expectRefusal("pearson", "row 1") {
                try Metric.pearson.score(
                    [EvaluatedAnswer(prediction: "1", references: references)], labels: [])
            }
        }
    }
}

@Suite("Metrics of text")
struct TextMetricTests {
    // Expected values printed by f1_score of the SQuAD v1.1 evaluation script.
    @Test(
        "the F1 of words is that of the SQuAD script",
        arguments: [
            ("the cat sat on the mat", "cat on a mat", 0.8571428571428571),
            ("Barack Obama", "President Barack Hussein Obama", 0.6666666666666666), ("no", "yes", 0),
            ("a b b c", "b b b", 0.6666666666666666),
        ])
    func tokenF1(prediction: String, reference: String, expected: Double) throws {
        let row = EvaluatedAnswer(prediction: prediction, references: [reference])
        #expect(isClose(try Metric.tokenF1.score([row], labels: []), expected))
    }

    @Test("the best of several references counts, and rows are averaged")
    func best() throws {
        let rows = [
            EvaluatedAnswer(prediction: "in Paris", references: ["London", "Paris", "the city of Paris"]),
            EvaluatedAnswer(prediction: "x", references: []),
        ]
        #expect(isClose(try Metric.tokenF1.score(rows, labels: []), (2.0 / 3.0) / 2))
        #expect(try Metric.exactMatch.score(rows, labels: []) == 0)
    }

    @Test("exact match is in normal form, over all references")
    func exactMatch() throws {
        let rows = [
            EvaluatedAnswer(prediction: "The Eiffel Tower.", references: ["Big Ben", "eiffel tower"]),
            EvaluatedAnswer(prediction: "38", references: ["3.8"]),
            EvaluatedAnswer(prediction: "", references: ["the"]),
            EvaluatedAnswer(prediction: "", references: [""]),
        ]
        #expect(try Metric.exactMatch.score(rows, labels: []) == 0.5)
        #expect(try Metric.tokenF1.score(rows, labels: []) == 0.5)
    }
}

@Suite("Metric names")
struct MetricNameTests {
    @Test("the names are those of task.json")
    func names() {
        #expect(
            Metric.allCases.map(\.rawValue) == [
                "accuracy", "macro_f1", "f1", "matthews", "pearson", "spearman", "exact_match", "token_f1",
                "f1_a",
            ])
    }

    @Test("a metric is reported first, with the one it is usually read beside")
    func reported() {
        for metric in Metric.allCases { #expect(metric.reported.first == metric) }
        #expect(Metric.macroF1.reported == [.macroF1, .accuracy])
        #expect(Metric.pearson.reported == [.pearson, .spearman])
        #expect(Metric.f1A.reported == [.f1A, .exactMatch])
        #expect(Metric.accuracy.reported == [.accuracy])
    }
}

@Suite("Confusion matrix")
struct ConfusionMatrixTests {
    @Test("counts agree with scikit-learn")
    func counts() throws {
        let matrix = ConfusionMatrix(try answers(nliRight, nliGiven, names: nli), labels: nli)
        let expected = [[12, 2, 1], [1, 5, 1], [1, 0, 1]]
        for (row, reference) in nli.enumerated() {
            for (column, prediction) in nli.enumerated() {
                #expect(matrix.count(reference: reference, prediction: prediction) == expected[row][column])
            }
        }
        #expect(matrix.total == 24)
        #expect(matrix.correct == 18)
        for (label, f1) in zip(nli, [24.0 / 29, 5.0 / 7, 0.4]) {
            #expect(isClose(matrix.f1(of: label), f1))
        }
    }

    @Test("labels keep the task's order, unknown names follow")
    func order() throws {
        let rows = [
            EvaluatedAnswer(prediction: "yes", references: ["maybe"]),
            EvaluatedAnswer(prediction: "no", references: ["yes"]),
        ]
        let matrix = ConfusionMatrix(rows, labels: binary)
        #expect(matrix.labels == ["no", "yes", "maybe"])
        #expect(matrix.f1(of: "maybe") == 0)
        #expect(matrix.f1(of: "never") == 0)
        #expect(matrix.count(reference: "never", prediction: "no") == 0)
    }

    @Test("the JSON form nests given labels in right ones, in order and without zeros")
    func json() throws {
        let matrix = ConfusionMatrix(try answers("yynny", "ynnny", names: binary), labels: binary)
        #expect(JSONValue.object(matrix.json).line == #"{"no":{"no":2},"yes":{"no":1,"yes":2}}"#)
    }

    @Test("many labels cost no more than their answers")
    func manyLabels() throws {
        let labels = (0..<10_000).map { "label \($0)" }
        let rows = labels.map { EvaluatedAnswer(prediction: "label 0", references: [$0]) }
        let matrix = ConfusionMatrix(rows, labels: labels)
        #expect(isClose(matrix.accuracy, 1e-4))
        // One hit among 10,000 answers "label 0" and one right "label 0".
        #expect(isClose(matrix.macroF1, 2.0 / 10_001 / 10_000))
    }
}
