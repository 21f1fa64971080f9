import Basics

/// Labels of a data set under the names a task gives them: `FROM=TO,FROM=TO`.
public struct LabelMap: Sendable {
    private let targets: [ByteText: String]

    /// The map that leaves every label as it is.
    public init() { targets = [:] }

    /// Parses `FROM=TO,FROM=TO`; white space around names is dropped. An empty name and a `FROM` given twice
    /// are refused.
    public init(parsing text: String) throws(TaskError) {
        var targets: [ByteText: String] = [:]
        for entry in text.unicodeScalars.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                Self.trimmed($0)
            }
            guard sides.count == 2, !sides[0].isEmpty, !sides[1].isEmpty else {
                throw TaskError("\(String(entry).quoted) was found, FROM=TO was expected")
            }
            guard targets.updateValue(sides[1], forKey: ByteText(sides[0])) == nil else {
                throw TaskError("\(sides[0].quoted) is mapped twice")
            }
        }
        self.targets = targets
    }

    /// The name of `label` in the task; itself when the map does not name it. Not applied twice.
    public subscript(label: String) -> String { targets[ByteText(label)] ?? label }

    /// Refuses a `TO` that the task does not have.
    func validate(for verbalizer: Verbalizer) throws(TaskError) {
        for target in targets.values.map(ByteText.init).sorted()
        where verbalizer.index(ofName: target.string) == nil {
            throw TaskError("the task has no label \(target.string.quoted) to map to")
        }
    }

    private static func trimmed(_ text: Substring.UnicodeScalarView) -> String {
        let start = text.drop { $0.properties.isWhitespace }
        guard let last = start.lastIndex(where: { !$0.properties.isWhitespace }) else { return "" }
        return String(start[...last])
    }
}
