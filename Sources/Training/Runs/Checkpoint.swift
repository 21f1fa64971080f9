import Basics
import Foundation
import JSON
import Tensors

/// A run as it stood between two steps: one safetensors file, whose metadata hold what is no array of numbers.
struct Checkpoint {
    /// Everything else, as JSON.
    var state: JSONObject
    /// Arrays by name.
    var arrays: [NamedValues]

    private static let formatKey = "polyprompt_checkpoint"
    private static let format = "2"
    /// The most bytes of state and arrays' names that a file is read with; the rest of its header is for the arrays'
    /// places.
    static let maximumState = SafetensorsFile.maximumHeaderSize / 2

    init(state: JSONObject, arrays: [NamedValues]) {
        self.state = state
        self.arrays = arrays
    }

    /// Writes the file, whole or not at all.
    func write(to path: String) throws(TrainingError) {
        let text = JSONValue.object(state).line
        let tensors = arrays.map {
            SafetensorsWriter.Tensor(name: $0.name, shape: [$0.values.count], values: $0.values)
        }
        try FileAccess.write(
            tensors,
            metadata: [
                (Self.formatKey, Self.format), ("state", text), ("sha256", Self.hash(text, arrays)),
            ], to: path)
    }

    /// Bytes of the file's header: the state, and the arrays' names and places.
    var stateSize: Int {
        arrays.reduce(JSONValue.object(state).lineBytes.count) { $0 + $1.name.utf8.count + 100 }
    }

    /// Reads a file and checks every byte of it.
    ///
    /// - Throws: `TrainingError`, saying what is wrong and what to do.
    init(path: String) throws(TrainingError) {
        func refuse(_ what: String) -> TrainingError {
            TrainingError("\(path): \(what); begin anew with --overwrite")
        }
        let file: SafetensorsFile
        do { file = try SafetensorsFile(path: path) } catch { throw refuse(error.message) }
        guard file.metadata[Self.formatKey] == Self.format, let text = file.metadata["state"] else {
            throw refuse("this is not a checkpoint of this release")
        }
        let state = try ObjectReader(parsing: text.utf8, failure: { refuse("its state: \($0)") }).object
        var arrays: [NamedValues] = []
        for name in file.entries.keys.map(\.string) {
            do {
                guard let tensor = try file.tensor(name), tensor.elementType == .float32 else {
                    throw refuse("\(name.excerpt) is not float32")
                }
                arrays.append(NamedValues(name: name, values: tensor.values()))
            } catch let error as TrainingError {
                throw error
            } catch {
                throw refuse("\(error)")
            }
        }
        guard file.metadata["sha256"] == Self.hash(text, arrays) else {
            throw refuse("its contents do not have the hash that they were written with: it is damaged")
        }
        self.state = state
        self.arrays = arrays
    }

    /// What a file's metadata say of its contents. It goes by the names: a file has no order of arrays without elements.
    private static func hash(_ state: String, _ arrays: [NamedValues]) -> String {
        var hash = SHA256()
        hash.update(state)
        for array in arrays.sorted(by: { $0.name < $1.name }) {
            hash.update("\n\(array.name) \(array.values.count)\n")
            array.values.withUnsafeBytes { hash.update($0) }
        }
        return hash.digest.hexadecimal
    }
}

extension [NamedValues] {
    /// The arrays as a group's: "group/name".
    func named(_ group: String) -> [NamedValues] {
        map { NamedValues(name: "\(group)/\($0.name)", values: $0.values) }
    }

    /// The arrays of each group under their own names.
    var groups: [String: [NamedValues]] {
        var groups: [String: [NamedValues]] = [:]
        for array in self {
            let parts = array.name.split(separator: "/", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            groups[parts[0], default: []].append(NamedValues(name: parts[1], values: array.values))
        }
        return groups
    }
}

/// When the next checkpoint is due: with the first step, then every 30 seconds, or less often where writing one takes
/// more than a twentieth of the time.
struct CheckpointTimer {
    private var last: ContinuousClock.Instant?
    private var pause = Duration.seconds(30)

    var isDue: Bool { last.map { ContinuousClock.now - $0 >= pause } ?? true }

    /// Takes note of a checkpoint, or an attempt, that was begun then and has ended now.
    mutating func note(begun: ContinuousClock.Instant) {
        let now = ContinuousClock.now
        last = now
        pause = max(.seconds(30), (now - begun) * 20)
    }
}

extension JSONValue {
    /// 64 bits in hexadecimal: JSON's numbers do not hold them all.
    init(bits: UInt64) { self = .string(String(bits, radix: 16)) }
}

extension ValueReader {
    /// The 64 bits that a string in hexadecimal stands for.
    func bits() throws(Failure) -> UInt64 {
        try read("64 bits in hexadecimal") { $0.string.flatMap { UInt64($0, radix: 16) } }
    }
}
