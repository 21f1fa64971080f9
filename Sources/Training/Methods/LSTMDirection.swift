import Basics
import Foundation
import Tensors

/// One direction of an LSTM layer: input and output rows are `[rows, width]`, of which it writes one half of
/// the columns. Gates stand in torch's order: input, forget, cell, output.
///
/// Each direction computes on one thread, so that two run side by side.
final class LSTMDirection {
    private let rows, width, hidden: Int
    private let isReversed: Bool
    private let inputWeight, hiddenWeight, inputBias, hiddenBias: TrainableParameter
    private let products = LinearProducts(pool: nil)

    private var input: [Float] = []
    /// Of the last pass forward: gates `[rows, 4 × hidden]` after their functions, cells, their tanh, outputs
    /// `[rows, hidden]`.
    private var gates: [Float]
    private var cells: [Float]
    private var squashed: [Float]
    private var outputs: [Float]
    /// The gradient of the last pass's input `[rows, width]`.
    private(set) var inputGradient: [Float] = []

    init(name: String, rows: Int, width: Int, isReversed: Bool, generator: inout SplitMix64) {
        self.rows = rows
        self.width = width
        self.isReversed = isReversed
        hidden = width / 2
        func weights(_ part: String, _ shape: [Int]) -> TrainableParameter {
            .network("\(name).\(part)", shape, fanIn: width / 2, using: &generator)
        }
        inputWeight = weights("input.weight", [4 * hidden, width])
        hiddenWeight = weights("hidden.weight", [4 * hidden, hidden])
        inputBias = weights("input.bias", [4 * hidden])
        hiddenBias = weights("hidden.bias", [4 * hidden])
        gates = []
        cells = [Float](repeating: 0, count: rows * hidden)
        squashed = cells
        outputs = cells
    }

    var parameters: [TrainableParameter] { [inputWeight, hiddenWeight, inputBias, hiddenBias] }

    /// The row before in reading order, and the rows in that order.
    private var step: Int { isReversed ? -1 : 1 }
    private var order: [Int] { isReversed ? (0..<rows).reversed() : Array(0..<rows) }

    /// Writes the outputs to this direction's half of the columns.
    func copyOutputs(into result: inout [Float]) {
        let first = isReversed ? hidden : 0
        for row in 0..<rows {
            for column in 0..<hidden {
                result[row * width + first + column] = outputs[row * hidden + column]
            }
        }
    }

    func forward(_ x: [Float]) {
        input = x
        let size = 4 * hidden
        gates = []
        gates.reserveCapacity(rows * size)
        let bias = zip(inputBias.values, hiddenBias.values).map(+)
        for _ in 0..<rows { gates += bias }
        x.withUnsafeBufferPointer { x in
            inputWeight.values.withUnsafeBufferPointer { weights in
                gates.withUnsafeMutableBufferPointer { gates in
                    guard let x = x.baseAddress, let weights = weights.baseAddress,
                        let gates = gates.baseAddress
                    else { return }
                    products.forward(
                        rows, size, width, x: x, weights: weights, into: gates, accumulate: true)
                }
            }
        }
        hiddenWeight.values.withUnsafeBufferPointer { weights in
            gates.withUnsafeMutableBufferPointer { gates in
                outputs.withUnsafeMutableBufferPointer { outputs in
                    guard let weights = weights.baseAddress, let gates = gates.baseAddress,
                        let outputs = outputs.baseAddress
                    else { return }
                    for (position, row) in order.enumerated() {
                        let gates = gates + row * size
                        if position > 0 {
                            products.forward(
                                1, size, hidden, x: outputs + (row - step) * hidden, weights: weights,
                                into: gates, accumulate: true)
                        }
                        advance(row, isFirst: position == 0, gates, outputs + row * hidden)
                    }
                }
            }
        }
    }

    /// One row's gates through their functions, its cells and outputs.
    private func advance(
        _ row: Int, isFirst: Bool, _ gates: UnsafeMutablePointer<Float>,
        _ outputs: UnsafeMutablePointer<Float>
    ) {
        for unit in 0..<hidden {
            let i = Activation.sigmoid(gates[unit])
            let f = Activation.sigmoid(gates[hidden + unit])
            let g = tanh(gates[2 * hidden + unit])
            let o = Activation.sigmoid(gates[3 * hidden + unit])
            let before = isFirst ? 0 : cells[(row - step) * hidden + unit]
            let cell = f * before + i * g
            let value = tanh(cell)
            gates[unit] = i
            gates[hidden + unit] = f
            gates[2 * hidden + unit] = g
            gates[3 * hidden + unit] = o
            cells[row * hidden + unit] = cell
            squashed[row * hidden + unit] = value
            outputs[unit] = o * value
        }
    }

    /// Adds the weights' gradients, given that of the whole output `[rows, width]`, and keeps that of the
    /// input.
    func backward(_ gradient: [Float]) {
        let size = 4 * hidden
        var gateGradient = [Float](repeating: 0, count: rows * size)
        hiddenWeight.values.withUnsafeBufferPointer { weights in
            gateGradient.withUnsafeMutableBufferPointer { gateGradient in
                guard let weights = weights.baseAddress, let dGates = gateGradient.baseAddress else { return }
                recede(gradient, weights: weights, dGates)
            }
        }
        addGradients(gateGradient)
    }

    /// The gates' gradients, row after row against the reading order.
    private func recede(
        _ gradient: [Float], weights: UnsafePointer<Float>, _ dGates: UnsafeMutablePointer<Float>
    ) {
        let size = 4 * hidden
        let first = isReversed ? hidden : 0
        var fromNext = [Float](repeating: 0, count: hidden)
        var cellGradient = fromNext
        for (position, row) in order.enumerated().reversed() {
            let dGates = dGates + row * size
            for unit in 0..<hidden {
                let i = gates[row * size + unit]
                let f = gates[row * size + hidden + unit]
                let g = gates[row * size + 2 * hidden + unit]
                let o = gates[row * size + 3 * hidden + unit]
                let value = squashed[row * hidden + unit]
                let before = position == 0 ? 0 : cells[(row - step) * hidden + unit]
                let dOutput = gradient[row * width + first + unit] + fromNext[unit]
                let dCell = cellGradient[unit] + dOutput * o * (1 - value * value)
                dGates[unit] = dCell * g * i * (1 - i)
                dGates[hidden + unit] = dCell * before * f * (1 - f)
                dGates[2 * hidden + unit] = dCell * i * (1 - g * g)
                dGates[3 * hidden + unit] = dOutput * value * o * (1 - o)
                cellGradient[unit] = dCell * f
            }
            fromNext.withUnsafeMutableBufferPointer { fromNext in
                guard let fromNext = fromNext.baseAddress else { return }
                products.inputGradient(1, size, hidden, dy: dGates, weights: weights, into: fromNext)
            }
        }
    }

    private func addGradients(_ gateGradient: [Float]) {
        let size = 4 * hidden
        var dx = [Float](repeating: 0, count: rows * width)
        inputWeight.withView { inputWeight in
            hiddenWeight.withView { hiddenWeight in
                gateGradient.withUnsafeBufferPointer { dGates in
                    input.withUnsafeBufferPointer { input in
                        outputs.withUnsafeBufferPointer { outputs in
                            dx.withUnsafeMutableBufferPointer { dx in
                                guard let dGates = dGates.baseAddress, let input = input.baseAddress,
                                    let outputs = outputs.baseAddress, let dx = dx.baseAddress,
                                    let weights = inputWeight.values.baseAddress,
                                    let dInput = inputWeight.gradient.baseAddress,
                                    let dHidden = hiddenWeight.gradient.baseAddress
                                else { return }
                                products.addWeightGradient(
                                    rows, size, width, dy: dGates, x: input, into: dInput)
                                products.inputGradient(
                                    rows, size, width, dy: dGates, weights: weights, into: dx)
                                // Each row's gates were given the outputs of the row before in reading order.
                                products.addWeightGradient(
                                    rows - 1, size, hidden, dy: dGates + (isReversed ? 0 : size),
                                    x: outputs + (isReversed ? hidden : 0), into: dHidden)
                            }
                        }
                    }
                }
            }
        }
        inputGradient = dx
        for bias in [inputBias, hiddenBias] {
            bias.withView { bias in
                guard let db = bias.gradient.baseAddress else { return }
                gateGradient.withUnsafeBufferPointer { dGates in
                    guard let dGates = dGates.baseAddress else { return }
                    LinearProducts.addBiasGradient(rows, size, dy: dGates, into: db)
                }
            }
        }
    }
}
