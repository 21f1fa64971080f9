import Basics
import PromptStore
import Tensors

/// Tasks and requests for them: the same whatever engine, precision or number of threads answers.
package struct RequestSet: Sendable {
    /// A task to be asked.
    package struct Task: Sendable {
        /// The name that requests call it by.
        package let name: String
        /// Its projected prompt.
        package let prompt: SoftPrompt
        /// How the store is to hold the prompt's values.
        let elementType: PromptElementType
        /// The ids of each of its labels, the end-of-sequence id last; `nil` when it answers with new ids.
        package let labels: [[Int32]]?
    }

    /// A request.
    package struct Request: Sendable, Equatable {
        /// The task's name.
        package let task: String
        /// The text's ids, to which nothing is added but the prompt's rows before them.
        package let ids: [Int32]
    }

    /// The tasks.
    package let tasks: [Task]
    /// The requests in their order.
    package let requests: [Request]
    /// Ids that every answer has; `nil` where labels are scored.
    package let newTokens: Int?
    /// Whether the end-of-sequence id must be held back for answers to have that length.
    let holdsEndBack: Bool
}

// MARK: - Made from a seed

extension RequestSet {
    /// What the generated requests of a workload look like.
    struct Shape {
        let tasks: Int
        let requests: Int
        let text: ClosedRange<Int>
        /// New ids; `nil` to score labels.
        let newTokens: Int?

        static let mixed = Shape(tasks: 8, requests: 64, text: 16...192, newTokens: 4)
        static let classify = Shape(tasks: 8, requests: 128, text: 8...48, newTokens: nil)
        static let generate = Shape(tasks: 8, requests: 32, text: 16...192, newTokens: 32)
    }

    /// Rows of every generated prompt.
    package static let promptRows = 20
    /// Labels that a task has; the tasks of a set go through them in turn.
    package static let labelCounts = 4...10
    /// Ids below are control ids.
    package static let firstTextID: Int32 = 3

    /// The requests of a workload.
    ///
    /// - Parameters:
    ///   - width: `d_model`.
    ///   - vocabularySize: Ids are below; at least 16.
    /// - Returns: `nil` for workloads that have no fixed set.
    package static func generated(
        _ workload: Workload, width: Int, vocabularySize: Int, endOfSequence: Int32
    ) throws(PromptStoreError) -> RequestSet? {
        let shape: Shape
        switch workload {
        case .mixed: shape = .mixed
        case .classify: shape = .classify
        case .generate: shape = .generate
        case .tasks, .kernels, .startup: return nil
        }
        var tasks: [Task] = []
        for index in 0..<shape.tasks {
            tasks.append(
                try task(
                    index, width: width, vocabularySize: vocabularySize, endOfSequence: endOfSequence,
                    hasLabels: shape.newTokens == nil))
        }
        let texts = texts(shape.requests, lengths: shape.text, vocabularySize: vocabularySize)
        let requests = texts.enumerated().map { index, ids in
            Request(task: tasks[index % tasks.count].name, ids: ids)
        }
        return RequestSet(
            tasks: tasks, requests: requests, newTokens: shape.newTokens, holdsEndBack: true)
    }

    /// Texts of every length mixed.
    package static func texts(_ count: Int, lengths: ClosedRange<Int>, vocabularySize: Int) -> [[Int32]] {
        let ids = firstTextID..<Int32(vocabularySize)
        return (0..<count).map { index in
            var random = SplitMix64(key: 1, index: UInt64(index))
            return (0..<Int.random(in: lengths, using: &random)).map { _ in
                Int32.random(in: ids, using: &random)
            }
        }
    }

    /// The task of that number, with a prompt of the embedding's scale.
    package static func task(
        _ index: Int, width: Int, vocabularySize: Int, endOfSequence: Int32, hasLabels: Bool
    ) throws(PromptStoreError) -> Task {
        var random = SplitMix64(key: 2, index: UInt64(index))
        // Uniform values with a deviation of 1.
        let scale = Float(3).squareRoot() / 0x1p23
        let values = (0..<promptRows * width).map { _ -> Float in
            let bits = Int32(truncatingIfNeeded: random.next() >> 40)
            return Float(bits - (1 << 23)) * scale
        }
        return Task(
            name: "task\(index)", prompt: try SoftPrompt(rows: promptRows, width: width, values: values),
            elementType: .bfloat16,
            labels: hasLabels
                ? labels(
                    labelCounts.lowerBound + index % labelCounts.count,
                    ids: firstTextID..<Int32(vocabularySize), endOfSequence: endOfSequence, &random)
                : nil)
    }

    /// Labels of 1 to 3 ids and the end-of-sequence id. The first two share their first id and no other, so that
    /// a request needs the root and one node below it, as with real labels ("search creative work", "search
    /// screening event").
    private static func labels(
        _ count: Int, ids: Range<Int32>, endOfSequence: Int32, _ random: inout SplitMix64
    ) -> [[Int32]] {
        var used: Set<Int32> = []
        func fresh() -> Int32 {
            while true {
                let id = Int32.random(in: ids, using: &random)
                if used.insert(id).inserted { return id }
            }
        }
        var labels = (1..<count).map { _ in [fresh()] }
        labels.insert(labels[0], at: 0)
        for index in labels.indices {
            if index < 2 { labels[index].append(fresh()) }
            for _ in 0..<Int.random(in: 0...(index < 2 ? 1 : 2), using: &random) {
                labels[index].append(Int32.random(in: ids, using: &random))
            }
            labels[index].append(endOfSequence)
        }
        return labels
    }
}
