/// LayerNorm of each row, with gain and shift, for all rows the same or for each its own; eps 1e-5 as torch
/// has it.
///
/// Source: Ba, Kiros and Hinton, "Layer Normalization", 2016.
final class RowNorm {
    private let rows, width, networks: Int
    private let gain, shift: TrainableParameter
    private var normalized: [Float]
    /// 1/√(variance + eps) of each row.
    private var scales: [Float]

    private static let epsilon = 1e-5

    init(name: String, rows: Int, width: Int, networks: Int) {
        self.rows = rows
        self.width = width
        self.networks = networks
        let outer = networks == 1 ? [] : [networks]
        gain = .network("\(name).weight", outer + [width], repeating: 1)
        shift = .network("\(name).bias", outer + [width], repeating: 0)
        normalized = [Float](repeating: 0, count: rows * width)
        scales = [Float](repeating: 0, count: rows)
    }

    var parameters: [TrainableParameter] { [gain, shift] }

    func forward(_ x: [Float]) -> [Float] {
        var y = x
        gain.withView { gain in
            shift.withView { shift in
                y.withUnsafeMutableBufferPointer { y in
                    normalized.withUnsafeMutableBufferPointer { normalized in
                        for row in 0..<rows {
                            let first = row * width
                            let weights = networks == 1 ? 0 : first
                            // In double precision, so that rows far from 0 keep their variance.
                            var (sum, squares) = (0.0, 0.0)
                            for index in first..<first + width { sum += Double(y[index]) }
                            let mean = sum / Double(width)
                            for index in first..<first + width {
                                squares += (Double(y[index]) - mean) * (Double(y[index]) - mean)
                            }
                            let scale = Float(1 / (squares / Double(width) + Self.epsilon).squareRoot())
                            scales[row] = scale
                            for column in 0..<width {
                                let value = (y[first + column] - Float(mean)) * scale
                                normalized[first + column] = value
                                y[first + column] =
                                    value * gain.values[weights + column] + shift.values[weights + column]
                            }
                        }
                    }
                }
            }
        }
        return y
    }

    func backward(_ dy: [Float]) -> [Float] {
        var dx = dy
        gain.withView { gain in
            shift.withView { shift in
                dx.withUnsafeMutableBufferPointer { dx in
                    normalized.withUnsafeBufferPointer { normalized in
                        for row in 0..<rows {
                            let first = row * width
                            let weights = networks == 1 ? 0 : first
                            var (mean, slope) = (0.0, 0.0)
                            for column in 0..<width {
                                let index = first + column
                                gain.gradient[weights + column] += dx[index] * normalized[index]
                                shift.gradient[weights + column] += dx[index]
                                let inner = dx[index] * gain.values[weights + column]
                                dx[index] = inner
                                mean += Double(inner)
                                slope += Double(inner) * Double(normalized[index])
                            }
                            let (m, s) = (Float(mean / Double(width)), Float(slope / Double(width)))
                            for index in first..<first + width {
                                dx[index] = scales[row] * (dx[index] - m - normalized[index] * s)
                            }
                        }
                    }
                }
            }
        }
        return dx
    }
}
