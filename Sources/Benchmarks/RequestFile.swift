import Basics
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
    private let reader: ObjectReader<BenchmarkError>

    init(path: String) throws(BenchmarkError) {
        self.path = path
        let bytes: [UInt8]
        do { bytes = try readFile(path, limit: FileLimit.data) } catch {
            throw BenchmarkError(wrapping: error)
        }
        reader = try ObjectReader(parsing: bytes, at: path) { BenchmarkError($0) }
    }

    /// The requests, for a workload of that name and a core of that width.
    func requests(
        for workload: Workload, width: Int, endOfSequence: Int32
    ) throws(BenchmarkError) -> RequestSet {
        _ = try reader.require("workload").read("\"\(workload.rawValue)\", which is to be measured,") {
            value in
            value.string == workload.rawValue ? true : nil
        }
        var requests: [RequestSet.Request] = []
        for element in try reader.require("requests").elements(of: "objects", count: 1...Int.max) {
            let request = try element.object()
            requests.append(
                try RequestSet.Request(
                    task: request.require("task").string(), ids: request.require("input_ids").ids()))
        }
        let newTokens = try reader["max_new_tokens"]?.integer(in: 1...Int.max)
        guard newTokens != nil || reader["labels"] != nil else {
            throw reader.refusal("max_new_tokens and labels are both missing; one of them was expected")
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
        let name = try reader.require("prompts").string()
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
        let lists = try reader.require("labels").object().require(task)
        var labels: [[Int32]] = []
        for label in try lists.elements(of: "lists of ids", count: 2...Int.max) {
            let ids = try label.ids()
            guard ids.count >= 2, ids.last == endOfSequence else {
                throw label.refusal("at least two ids, of which the last ends the sequence,")
            }
            labels.append(ids)
        }
        return labels
    }
}

extension ValueReader {
    /// Ids of at least one token.
    package func ids() throws(Failure) -> [Int32] { try integers(in: 0...Int32.max, count: 1...Int.max) }
}
