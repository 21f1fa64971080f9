import Basics
import PromptStore
import Serving
import T5
import Tasks
import Tensors

/// A prompt store that goes with its owner.
final class TemporaryStore {
    let store: PromptStore
    private let folder: PartialFolder

    init() throws {
        folder = try PartialFolder(temporary: "bench", files: PromptStore.files)
        store = try PromptStore(path: folder.path, mode: .readWrite)
    }

    /// Publishes tasks, made a few at a time so that thousands need little memory.
    ///
    /// - Parameters:
    ///   - newTokens: The length of answers in new ids, if they are.
    ///   - holdsEndBack: Whether answers go on to that length whatever the core says.
    ///   - longestInput: The tasks' limit of ids.
    func publish(
        _ indices: Range<Int>, core: T5Core, pool: WorkerPool, newTokens: Int? = nil,
        holdsEndBack: Bool = false, longestInput: Int = 512, progress: (String) -> Void = { _ in },
        _ task: @escaping (Int) throws -> RequestSet.Task
    ) throws {
        var decoding = DecodingOptions()
        if holdsEndBack { decoding.minimumNewTokens = newTokens ?? 0 }
        let fingerprint = core.fingerprint
        for start in stride(from: indices.lowerBound, to: indices.upperBound, by: 500) {
            let part = Array(start..<min(start + 500, indices.upperBound))
            // Compression takes the time, so it is spread over the threads.
            let publications = pool.map(part) { index in
                Result {
                    let task = try task(index)
                    let verbalizer = try task.labels.map { labels in
                        try Verbalizer(
                            labels.enumerated().map { number, ids in
                                Verbalizer.Label(
                                    name: "\(number)", text: NumberTokenizer.text(ids.dropLast()))
                            })
                    }
                    let definition = try TaskDefinition(
                        name: task.name, template: Template("{input}"), verbalizer: verbalizer,
                        maxInputTokens: max(longestInput, 1), maxNewTokens: newTokens ?? 1, decoding: decoding
                    )
                    return Publication(
                        name: task.name, frame: try PromptFrame(task.prompt, as: task.elementType),
                        coreFingerprint: fingerprint, definition: definition.json)
                }
            }
            _ = try store.publish(batch: publications.map { try $0.get() })
            progress("\(part.count + start - indices.lowerBound) of \(indices.count) tasks published")
        }
    }

    /// Publishes the tasks of a set of requests.
    func publish(_ set: RequestSet, core: T5Core, pool: WorkerPool) throws {
        try publish(
            set.tasks.indices, core: core, pool: pool, newTokens: set.newTokens,
            holdsEndBack: set.holdsEndBack, longestInput: set.requests.map(\.ids.count).max() ?? 1
        ) { set.tasks[$0] }
    }
}
