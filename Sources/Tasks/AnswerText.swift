/// Answers as free text: their normal form for comparison, their words, and their value as a number.
public enum AnswerText {
    /// The normal form in which two answers are compared: that of the SQuAD evaluation script (Rajpurkar et al.
    /// 2016), lower case without ASCII punctuation and without the articles *a*, *an* and *the*, words
    /// separated by one space.
    ///
    /// It departs from that script where the script takes different answers for the same: the point and the
    /// sign of a number stay ("3.8" is not "38"), and a text that would lose everything ("a", "+") keeps its
    /// lower-case form.
    public static func normalized(_ text: String) -> String { words(of: text).joined(separator: " ") }

    /// The words of the normal form.
    public static func words(of text: String) -> [String] {
        let scalars = Array(text.lowercased().unicodeScalars)
        var words: [String] = []
        // A word is what stands between white space; a run is letters, marks and digits side by side.
        var word: [Unicode.Scalar] = []
        var run: [Unicode.Scalar] = []
        func endWord() {
            guard !word.isEmpty else { return }
            words.append(Self.string(word))
            word.removeAll(keepingCapacity: true)
        }
        func endRun() {
            // An article leaves a space.
            if articles.contains(run) { endWord() } else { word += run }
            run.removeAll(keepingCapacity: true)
        }
        for (index, scalar) in scalars.enumerated() where !isDropped(at: index, in: scalars) {
            if isWordScalar(scalar) {
                run.append(scalar)
                continue
            }
            endRun()
            if scalar.properties.isWhitespace { endWord() } else { word.append(scalar) }
        }
        endRun()
        endWord()
        return words.isEmpty ? scalars.split { $0.properties.isWhitespace }.map(Self.string) : words
    }

    private static func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        String(decoding: scalars.flatMap(\.utf8), as: UTF8.self)
    }

    /// The text's value when it is a finite decimal number, white space around it aside.
    public static func number(_ text: String) -> Double? {
        let start = text.unicodeScalars.drop { $0.properties.isWhitespace }
        guard let last = start.lastIndex(where: { !$0.properties.isWhitespace }) else { return nil }
        let word = String(start[...last])
        guard word.utf8.allSatisfy(isNumberByte) else { return nil }
        return Double(word).flatMap { $0.isFinite ? $0 : nil }
    }

    private static func isDropped(at index: Int, in scalars: [Unicode.Scalar]) -> Bool {
        let scalar = scalars[index]
        guard isPunctuation(scalar) else { return false }
        let before = index > 0 ? scalars[index - 1] : " "
        let after = index + 1 < scalars.count ? scalars[index + 1] : " "
        let beginsWord = before.properties.isWhitespace
        switch scalar {
        case ".":
            let followsSign = before == "-" && (index < 2 || scalars[index - 2].properties.isWhitespace)
            return !(isDigit(after) && (isDigit(before) || beginsWord || followsSign))
        case "-":
            let next = index + 2 < scalars.count ? scalars[index + 2] : " "
            return !(beginsWord && (isDigit(after) || (after == "." && isDigit(next))))
        default: return true
        }
    }

    private static let articles = ["a", "an", "the"].map { Array($0.unicodeScalars) }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "!"..."/", ":"..."@", "["..."`", "{"..."~": true
        default: false
        }
    }

    private static func isWordScalar(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
            .decimalNumber, .letterNumber, .otherNumber, .nonspacingMark, .spacingMark:
            true
        default: false
        }
    }

    /// `Double.init` also reads hexadecimal numbers, infinities and NaN, which no answer means.
    private static func isNumberByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }
}
