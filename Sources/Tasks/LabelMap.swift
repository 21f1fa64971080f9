/// Labels of a data set under the names a task gives them: `FROM=TO,FROM=TO`.
public struct LabelMap: Sendable, Equatable {
    private let targets: [String: String]

    /// The map that leaves every label as it is.
    public init() { targets = [:] }

    /// Parses `FROM=TO,FROM=TO`; white space around names is dropped. An empty name and a `FROM` given twice
    /// are refused.
    public init(parsing text: String) throws(TaskError) {
        var targets: [String: String] = [:]
        for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = entry.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                String($0.trimmingWhitespace)
            }
            guard sides.count == 2, !sides[0].isEmpty, !sides[1].isEmpty else {
                throw TaskError("\"\(entry)\" was found, FROM=TO was expected")
            }
            guard targets.updateValue(sides[1], forKey: sides[0]) == nil else {
                throw TaskError("\"\(sides[0])\" is mapped twice")
            }
        }
        self.targets = targets
    }

    /// The name of `label` in the task; itself when the map does not name it. Not applied twice.
    public subscript(label: String) -> String { targets[label] ?? label }

    /// Refuses a `TO` that the task does not have.
    func validate(for verbalizer: Verbalizer) throws(TaskError) {
        for target in targets.values.sorted() where verbalizer.index(ofName: target) == nil {
            throw TaskError("the task has no label \"\(target)\" to map to")
        }
    }
}

extension Substring {
    fileprivate var trimmingWhitespace: Substring {
        let start = drop(while: \.isWhitespace)
        return start.lastIndex { !$0.isWhitespace }.map { start[...$0] } ?? start.prefix(0)
    }
}
