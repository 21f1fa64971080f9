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
    private static let format = "1"

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

    /// Reads a file and checks every byte of it.
    ///
    /// - Throws: `TrainingError`, saying what is wrong and what to do.
    init(path: String) throws(TrainingError) {
        func refuse(_ what: String) -> TrainingError {
            TrainingError("\(path): \(what); begin anew without --resume")
        }
        let file: SafetensorsFile
        do { file = try SafetensorsFile(path: path) } catch { throw refuse(error.message) }
        guard file.metadata[Self.formatKey] == Self.format, let text = file.metadata["state"] else {
            throw refuse("this is not a checkpoint of this release")
        }
        let state = try ObjectReader(parsing: text.utf8, failure: { refuse("its state: \($0)") }).object
        var arrays: [NamedValues] = []
        // In the order of the file, which the hash goes by.
        for name in file.entries.sorted(by: {
            ($0.value.range.lowerBound, $0.key) < ($1.value.range.lowerBound, $1.key)
        }).map(\.key.string) {
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

    private static func hash(_ state: String, _ arrays: [NamedValues]) -> String {
        var hash = SHA256()
        hash.update(state)
        for array in arrays {
            hash.update("\n\(array.name) \(array.values.count)\n")
            array.values.withUnsafeBytes { hash.update($0) }
        }
        return hash.digest.hexadecimal
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
