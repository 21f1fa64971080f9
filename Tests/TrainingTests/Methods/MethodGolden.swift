import Basics
import Foundation
import JSON
import Tensors
import TestSupport
import Testing
import Training

/// What `Golden/make_methods.py` computed with torch.
enum MethodGolden {
    static func object(_ name: String) throws -> JSONObject {
        let url = URL(fileURLWithPath: Repository.file("Tests/TrainingTests/Golden/\(name)"))
        return try #require(try JSONValue.parse(Data(contentsOf: url)).object)
    }

    /// The largest difference as a share of the reference's largest magnitude; infinite when sizes differ.
    static func difference(_ values: [Float], _ reference: [Float]) -> Float {
        guard values.count == reference.count, !values.isEmpty else { return .infinity }
        let difference = zip(values, reference).map { abs($0 - $1) }.max() ?? 0
        return difference.isFinite ? difference / max(reference.map(abs).max() ?? 0, 1e-6) : .infinity
    }

    /// A pool that several tests share.
    static let pool = WorkerPool(threadCount: 2)

    /// What initial rows are made from in tests: normal numbers that depend on the id alone.
    static func source(width: Int, candidates: ClosedRange<Int32> = 3...60, labels: [[Int32]] = [])
        -> InitializationSource
    {
        InitializationSource(
            width: width, vocabulary: VocabularySample(candidates: Array(candidates)), labels: labels,
            encode: { $0.utf8.map { Int32($0) } },
            embedding: { id in
                var generator = SplitMix64(seed: UInt64(id))
                return (0..<width).map { _ in generator.normal() }
            })
    }

    /// The methods that have a prompt, with their options.
    static let settings: [MethodSettings] = {
        var all: [MethodSettings] = []
        for method in TrainingMethod.allCases where method != .full {
            var settings = MethodSettings(method)
            settings.rows = 5
            settings.bottleneck = 7
            settings.rank = 3
            settings.latent = 4
            settings.bases = 6
            all.append(settings)
            switch method {
            case .residualMLP1, .residualMLP2:
                for activation in [Activation.tanh, .sigmoid] {
                    var settings = settings
                    settings.activation = activation
                    all.append(settings)
                    settings.layerNorm = false
                    all.append(settings)
                    settings.separateNetworks = true
                    all.append(settings)
                    settings.layerNorm = true
                    settings.residual = false
                    all.append(settings)
                }
            case .residualLSTM1, .residualLSTM2:
                settings.residual = false
                all.append(settings)
            case .prompt, .full, .dpt, .ulpt, .superpos: break
            }
        }
        return all
    }()
}

extension JSONValue {
    /// The value as numbers; empty when it is none.
    var goldenNumbers: [Float] { array?.compactMap { $0.double.map { Float($0) } } ?? [] }

    /// The members as numbers.
    var goldenNumbersByName: [String: [Float]] {
        Dictionary(uniqueKeysWithValues: (object ?? JSONObject()).map { ($0.key, $0.value.goldenNumbers) })
    }
}

extension MethodSettings {
    /// Whether the prompt bends where a hidden unit comes alive: only a bottleneck network has an activation to choose.
    /// There a step must be short, so that few units turn on or off within it. Elsewhere it must not: the prompt is
    /// rounded to float32, and that rounding is divided by the step.
    var hasKinks: Bool {
        switch method {
        case .residualMLP1, .residualMLP2: activation == .relu
        case .prompt, .residualLSTM1, .residualLSTM2, .full, .dpt, .ulpt, .superpos: false
        }
    }

    /// The parameterization with the method's own start.
    func make(
        seed: UInt64 = 1, width: Int = 8, initialization: PromptInitialization = .method,
        pool: WorkerPool = MethodGolden.pool
    ) throws -> any PromptParameterization {
        try makeParameterization(
            initialization: initialization, source: MethodGolden.source(width: width), seed: seed, pool: pool)
    }
}
