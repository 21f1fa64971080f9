import Foundation
import JSON
import PromptStore
import Tensors

/// Reads requests that other engines answer too.
///
/// The file is one JSON object: `workload`; `prompts`, a safetensors file beside it with a tensor `[rows, d_model]`
/// for each task; `requests`, each with `task` and `input_ids`; and either `max_new_tokens` or `labels`, for each
/// task a list of id lists that end with the end-of-sequence id.
struct RequestFile {
    let path: String
    private let object: JSONObject

    init(path: String) throws(BenchmarkError) {
        self.path = path
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw BenchmarkError("cannot read the requests in \(path)")
        }
        do {
            guard let object = try JSONValue.parse(bytes).object else {
                throw BenchmarkError("\(path) is not a JSON object")
            }
            self.object = object
        } catch let error as BenchmarkError {
            throw error
        } catch {
            throw BenchmarkError("\(path) is not JSON: \(error)")
        }
    }

    /// The requests, for a workload of that name and a core of that width.
    func requests(
        for workload: Workload, width: Int, endOfSequence: Int32
    ) throws(BenchmarkError) -> RequestSet {
        guard object["workload"]?.string == workload.rawValue else {
            throw failure("workload", "\"\(workload.rawValue)\", which is to be measured")
        }
        guard let elements = object["requests"]?.array, !elements.isEmpty else {
            throw failure("requests", "an array of at least one request")
        }
        var requests: [RequestSet.Request] = []
        for (index, element) in elements.enumerated() {
            guard let task = element.object?["task"]?.string, let ids = Self.ids(element.object?["input_ids"])
            else { throw failure("requests[\(index)]", "an object with task and input_ids") }
            requests.append(RequestSet.Request(task: task, ids: ids))
        }
        let newTokens = object["max_new_tokens"]?.int
        guard newTokens.map({ $0 >= 1 }) ?? (object["labels"]?.object != nil) else {
            throw failure("max_new_tokens", "a number from 1, or labels for each task")
        }
        var seen: Set<String> = []
        let names = requests.map(\.task).filter { seen.insert($0).inserted }
        return RequestSet(
            tasks: try tasks(names, width: width, endOfSequence: newTokens == nil ? endOfSequence : nil),
            requests: requests, newTokens: newTokens, holdsEndBack: false)
    }

    /// - Parameter endOfSequence: Ends each label; `nil` when there are none.
    private func tasks(
        _ names: [String], width: Int, endOfSequence: Int32?
    ) throws(BenchmarkError) -> [RequestSet.Task] {
        guard let name = object["prompts"]?.string else { throw failure("prompts", "a file's name") }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        do {
            let file = try SafetensorsFile(path: folder.appendingPathComponent(name).path)
            var tasks: [RequestSet.Task] = []
            for name in names {
                guard let tensor = try file.tensor(name), tensor.shape.count == 2, tensor.shape[1] == width
                else {
                    throw BenchmarkError("\(file.path): a tensor \(name) [rows, \(width)] was expected")
                }
                let prompt = try SoftPrompt(rows: tensor.shape[0], width: width, values: tensor.values())
                tasks.append(
                    RequestSet.Task(
                        name: name, prompt: prompt, elementType: .float32,
                        labels: try endOfSequence.map { end in try labels(name, endOfSequence: end) }))
            }
            return tasks
        } catch {
            throw BenchmarkError(wrapping: error, at: path)
        }
    }

    private func labels(_ task: String, endOfSequence: Int32) throws(BenchmarkError) -> [[Int32]] {
        let labels = (object["labels"]?.object?[task]?.array ?? []).map { Self.ids($0) ?? [] }
        guard labels.count >= 2, labels.allSatisfy({ $0.count >= 2 && $0.last == endOfSequence }) else {
            throw failure(
                "labels.\(task)", "at least two lists of ids that end with the end-of-sequence id")
        }
        return labels
    }

    private static func ids(_ value: JSONValue?) -> [Int32]? {
        guard let array = value?.array else { return nil }
        let ids = array.compactMap { $0.int.flatMap(Int32.init(exactly:)) }
        return ids.count == array.count && !ids.isEmpty ? ids : nil
    }

    private func failure(_ key: String, _ expected: String) -> BenchmarkError {
        BenchmarkError("\(path): \(key) is not as expected: \(expected)")
    }
}
