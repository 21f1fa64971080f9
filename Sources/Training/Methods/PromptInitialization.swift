import Basics
import Serving
import Tensors

/// What a prompt's rows are before training.
public enum PromptInitialization: Sendable, Hashable {
    /// The method's own start, as its authors have it: see
    /// ``MethodSettings/makeParameterization(initialization:source:seed:pool:)``.
    case method
    /// Embeddings of pieces drawn from the most common ones, without repetition while there are enough.
    case vocabulary
    /// Numbers from `-bound` to `bound`, each as likely as another; 0.5 in Lester et al. 2021.
    case uniform(Double)
    /// A row for each label, the mean of its pieces' embeddings; further rows as `vocabulary`.
    case labels
    /// The embeddings of a text's pieces, repeated from the beginning when there are too few, cut when too
    /// many.
    case text(String)
    /// The rows of a `.npy` or `.safetensors` file, cut when there are too many; further rows as
    /// `vocabulary`.
    case file(String)
    /// The rows of another task's prompt (Vu et al., "SPoT", 2022), cut or extended as those of a file.
    case task(String)

    /// Reads the form that ``description`` writes: `method`, `vocabulary`, `uniform`, `uniform:0.5`,
    /// `labels`, `text:…`, `file:PATH` or `task:NAME`.
    ///
    /// - Throws: `TrainingError` saying what was expected.
    public init(parsing text: String) throws(TrainingError) {
        let parts = text.utf8.split(
            separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false
        ).map { String(Substring($0)) }
        switch (parts[0], parts.dropFirst().first) {
        case ("method", nil): self = .method
        case ("vocabulary", nil): self = .vocabulary
        case ("labels", nil): self = .labels
        case ("uniform", nil): self = .uniform(0.5)
        case ("uniform", let bound?):
            guard let bound = Double(bound), bound > 0, bound <= 1e6 else {
                throw TrainingError(
                    "\(text.quoted): the bound is no number above 0 and at most 1000000; uniform:0.5 is usual"
                )
            }
            self = .uniform(bound)
        case ("text", let text?) where !text.isEmpty: self = .text(text)
        case ("file", let path?) where !path.isEmpty: self = .file(path)
        case ("task", let name?) where !name.isEmpty: self = .task(name)
        default:
            throw TrainingError(
                "\(text.quoted) is no initialization; method, vocabulary, uniform, uniform:BOUND, labels, "
                    + "text:TEXT, file:PATH or task:NAME was expected")
        }
    }
}

extension PromptInitialization: CustomStringConvertible {
    /// The form that ``init(parsing:)`` reads.
    public var description: String {
        switch self {
        case .method: "method"
        case .vocabulary: "vocabulary"
        case .uniform(let bound): "uniform:\(bound)"
        case .labels: "labels"
        case .text(let text): "text:\(text)"
        case .file(let path): "file:\(path)"
        case .task(let name): "task:\(name)"
        }
    }
}

/// What initial rows are made from: a core's embeddings, and the task.
public struct InitializationSource {
    /// `d_model` of the core.
    public let width: Int
    /// The embedding of an id `[width]`.
    public let embedding: (Int32) -> [Float]
    /// The pieces that rows are drawn from.
    public var vocabulary: VocabularySample
    /// For each label the ids of its text, without the end-of-sequence id.
    public var labels: [[Int32]]
    /// The ids of a text, without the end-of-sequence id.
    public var encode: (String) -> [Int32]
    /// The rows of a stored task's prompt, and how wide they are.
    public var task: (String) throws -> (rows: [Float], width: Int)

    /// What initial rows are made from.
    public init(
        width: Int, vocabulary: VocabularySample, labels: [[Int32]] = [],
        encode: @escaping (String) -> [Int32] = { _ in [] },
        task: @escaping (String) throws -> (rows: [Float], width: Int) = { name in
            throw TrainingError("there is no store to take the task \(name) from")
        },
        embedding: @escaping (Int32) -> [Float]
    ) {
        self.width = width
        self.vocabulary = vocabulary
        self.labels = labels
        self.encode = encode
        self.task = task
        self.embedding = embedding
    }

    /// The embeddings of ids side by side.
    func embeddings(_ ids: [Int32]) -> [Float] { ids.flatMap(embedding) }
}

extension PromptInitialization {
    /// The initial rows `[count, width]`; `nil` for ``method``, which leaves them to the method.
    ///
    /// - Throws: `TrainingError` when there are no labels, pieces or candidates to make rows of, or a
    ///   file or task cannot be read, is of another width or holds a number that is not finite.
    public func rows(
        _ count: Int, from source: InitializationSource, using generator: inout SplitMix64
    ) throws(TrainingError) -> [Float]? {
        func fail(_ reason: String) -> TrainingError {
            TrainingError("\(description.quoted): \(reason)")
        }
        var rows: [Float]
        switch self {
        case .method: return nil
        case .uniform(let bound):
            return (0..<count * source.width).map { _ in generator.uniform(bound: Float(bound)) }
        case .vocabulary: rows = []
        case .labels:
            guard !source.labels.isEmpty else { throw fail("the task has no labels") }
            guard source.labels.allSatisfy({ !$0.isEmpty }) else {
                throw fail("a label's text has no pieces")
            }
            rows = source.labels.prefix(count).flatMap { Self.mean(of: $0, source) }
        case .text(let text):
            let ids = source.encode(text)
            guard !ids.isEmpty else { throw fail("the text has no pieces") }
            return source.embeddings((0..<count).map { ids[$0 % ids.count] })
        case .file(let path):
            do {
                // A bare matrix needs a task's name; here any will do.
                let prompt = try TaskFolder(path: path, name: "initial").prompt
                rows = try Self.fit(prompt.values, width: prompt.width, count, source)
            } catch {
                throw fail("\(error)")
            }
        case .task(let name):
            do {
                let prompt = try source.task(name)
                rows = try Self.fit(prompt.rows, width: prompt.width, count, source)
            } catch {
                throw fail("\(error)")
            }
        }
        let missing = count - rows.count / source.width
        if missing > 0 {
            guard !source.vocabulary.candidates.isEmpty else {
                throw fail("there are no pieces to draw from")
            }
            rows += source.embeddings(source.vocabulary.draw(missing, using: &generator))
        }
        return rows
    }

    private static func mean(of ids: [Int32], _ source: InitializationSource) -> [Float] {
        var sum = [Float](repeating: 0, count: source.width)
        for id in ids {
            for (index, value) in source.embedding(id).enumerated() { sum[index] += value }
        }
        return sum.map { $0 / Float(ids.count) }
    }

    /// At most `count` of the rows.
    private static func fit(
        _ rows: [Float], width: Int, _ count: Int, _ source: InitializationSource
    ) throws(TrainingError) -> [Float] {
        guard width == source.width else {
            throw TrainingError("its rows are \(width) wide; this core's are \(source.width) wide (d_model)")
        }
        guard rows.allSatisfy(\.isFinite) else {
            throw TrainingError("it holds a number that is not finite")
        }
        return Array(rows.prefix(count * width))
    }
}
