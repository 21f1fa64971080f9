import Foundation
import JSON
import PromptStore
import TestSupport

extension SeededGenerator {
    /// A prompt of random values.
    mutating func prompt(_ rows: Int, _ width: Int) throws -> SoftPrompt {
        try SoftPrompt(
            rows: rows, width: width,
            values: (0..<rows * width).map { _ in Float.random(in: -2...2, using: &self) })
    }
}

/// Fingerprints of two cores.
let coreA = String(repeating: "a", count: 64)
let coreB = String(repeating: "b", count: 64)

/// A small publication; equal arguments make equal ones.
func publication(
    _ name: String, seed: UInt64 = 1, core: String = coreA, template: String = "{input}"
) throws -> Publication {
    var noise = SeededGenerator(state: seed)
    return Publication(
        name: name, frame: try PromptFrame(noise.prompt(2, 3), as: .bfloat16), coreFingerprint: core,
        definition: JSONObject([("name", .string(name)), ("template", .string(template))]))
}

extension PromptStore {
    /// The one task that a reference stands for.
    func task(_ reference: String) throws -> PromptManifest? {
        if case .task(let manifest) = try resolve(reference) { manifest } else { nil }
    }

    /// The references of every name's target, in order.
    func targets() throws -> [String] {
        var targets: [String] = []
        try forEachTask { task in
            let alias = try task.get().alias
            targets.append("\(alias.name) = \(alias.target)")
        }
        return targets
    }
}

/// The code of the error that `body` throws, `nil` when it throws none.
func code(_ body: () throws -> Void) -> PromptStoreError.Code? {
    do {
        try body()
        return nil
    } catch {
        return (error as? PromptStoreError)?.code
    }
}
