extension StringProtocol {
    /// The text in quotation marks, as messages show what comes from outside.
    ///
    /// It is cut in its middle to about a hundred characters, and characters that a terminal obeys or that change how a
    /// line reads are written as `\u{1B}`: so a message stays a line that says what it means, whatever the input.
    package var quoted: String { "\"\(excerpt(escapingQuotes: true))\"" }

    /// The same without the marks: for numbers, names of types and paths.
    package var excerpt: String { excerpt(escapingQuotes: false) }

    private func excerpt(escapingQuotes: Bool) -> String {
        let scalars = unicodeScalars
        var result = String.UnicodeScalarView()
        func show(_ part: some Sequence<Unicode.Scalar>) {
            for scalar in part {
                if escapingQuotes, scalar == "\"" || scalar == "\\" { result.append("\\") }
                if scalar.isShown {
                    result.append(scalar)
                } else {
                    result.append(contentsOf: scalar.escaped.unicodeScalars)
                }
            }
        }
        let (head, tail) = (72, 24)
        if scalars.index(scalars.startIndex, offsetBy: head + tail + 1, limitedBy: scalars.endIndex) == nil {
            show(scalars)
        } else {
            show(scalars.prefix(head))
            result.append("…")
            show(scalars.suffix(tail))
        }
        return String(result)
    }
}

extension Unicode.Scalar {
    /// Whether it may stand in a message as it is.
    fileprivate var isShown: Bool {
        if (0x20..<0x7F).contains(value) { return true }
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse:
            return false
        default: return true
        }
    }

    fileprivate var escaped: String {
        switch self {
        case "\n": "\\n"
        case "\r": "\\r"
        case "\t": "\\t"
        default: "\\u{\(String(value, radix: 16, uppercase: true))}"
        }
    }
}

extension Collection where Element: CustomStringConvertible {
    /// The elements for a message, `[2, 3]`; of more than eight the first and their number: `[1, 1, … 1000 in all]`.
    package var shown: String {
        count <= 8
            ? "[" + map(\.description.excerpt).joined(separator: ", ") + "]"
            : "[" + prefix(6).map(\.description.excerpt).joined(separator: ", ") + ", … \(count) in all]"
    }
}

extension Collection<String> {
    /// The texts for a message, quoted: of more than twenty the first and their number.
    package var quotedList: String {
        let shown = prefix(20).map(\.quoted).joined(separator: ", ")
        return count > 20 ? "\(shown), … (\(count) in all)" : shown
    }
}
