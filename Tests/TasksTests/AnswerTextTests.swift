import Tasks
import Testing

@Suite("Answer text")
struct AnswerTextTests {
    // Expected values printed by normalize_answer of the SQuAD v1.1 evaluation script (lower, remove
    // string.punctuation, re.sub(r"\b(a|an|the)\b", " "), split and join) under Python 3.11.
    @Test(
        "the normal form is that of the SQuAD script",
        arguments: [
            ("The Eiffel Tower!", "eiffel tower"), ("an  apple, a day", "apple day"), ("U.S.A.", "usa"),
            ("Theatre of the absurd", "theatre of absurd"), ("rock-'n'-roll", "rocknroll"),
            ("“The” end", "“ ” end"), ("café — the best", "café — best"),
            ("O'Neill's\tthe\nhat", "oneills hat"),
            ("1,000 men", "1000 men"), ("A.B. an c", "ab c"), ("well-known (in a way)", "wellknown in way"),
            ("thé an_a x", "thé ana x"),
        ])
    func normalForm(text: String, expected: String) {
        #expect(AnswerText.normalized(text) == expected)
    }

    @Test(
        "the point and the sign of a number stay",
        arguments: [
            ("3.8", "3.8"), ("about 3.80.", "about 3.80"), (".5", ".5"), ("-3", "-3"),
            ("minus -.5", "minus -.5"),
            ("1990-1995", "19901995"), ("v.5", "v5"), ("3. item", "3 item"), ("- 3", "3"), ("-x", "x"),
        ])
    func numbersKeepTheirPoint(text: String, expected: String) {
        #expect(AnswerText.normalized(text) == expected)
    }

    @Test(
        "a text of articles and marks alone keeps its lower-case form",
        arguments: [("A", "a"), ("The", "the"), (" + ", "+"), ("?!", "?!"), ("", ""), (" ", "")])
    func degenerate(text: String, expected: String) {
        #expect(AnswerText.normalized(text) == expected)
    }

    @Test(
        "numbers are finite decimals",
        arguments: [
            ("3.8", 3.8), (" 4\n", 4), ("-1e-2", -0.01), ("", nil), ("x", nil), ("nan", nil), ("inf", nil),
            ("0x10", nil), ("1e999", nil), ("3 8", nil), ("3,8", nil),
        ] as [(String, Double?)])
    func numbers(text: String, value: Double?) {
        #expect(AnswerText.number(text) == value)
    }

    @Test("a text of a million words takes a moment")
    func long() {
        let start = ContinuousClock.now
        #expect(AnswerText.words(of: String(repeating: "a word, ", count: 500_000)).count == 500_000)
        #expect(start.duration(to: .now) < .seconds(20))
    }
}
