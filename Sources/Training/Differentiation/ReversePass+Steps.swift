import CKernels
import T5
import Tensors

/// The steps between the products.
extension ReversePass {
    /// Rows of elements in scratch memory.
    func elements(_ width: Int, _ count: Int, _ scratch: inout Scratch) -> Rows<Element> {
        let stride = arithmetic.spacing(width)
        return Rows(start: scratch.reserve(count * stride), stride: stride)
    }

    /// Rows of float32 in scratch memory.
    func floats(_ width: Int, _ count: Int, _ scratch: inout Scratch) -> Rows<Float> {
        Rows(start: scratch.reserve(count * width), stride: width)
    }

    /// All rows of the residual stream's width become zero.
    func clear(_ x: Rows<Float>, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            x.row(range.lowerBound).update(repeating: 0, count: range.count * width)
        }
    }

    /// `out = RMSNorm(x) * scale`
    func normalize(_ x: Rows<Float>, _ norm: NormGain, scale: Float = 1, into out: Rows<Float>, _ part: Part)
    {
        let epsilon = arithmetic.configuration.layerNormEpsilon
        part.team.split(part.count, grain: 8) { range in
            pp_f32_rms_norm(
                arithmetic.kernels, x.row(range.lowerBound), x.stride, norm.values, epsilon, scale,
                range.count, width,
                out.row(range.lowerBound), out.stride)
        }
    }

    /// Adds the gradient at `x` of `RMSNorm(x) * scale`, and to that of the norm's gain.
    func normGradient(
        _ x: Rows<Float>, _ norm: NormGain, scale: Float = 1, _ gradient: Rows<Float>,
        addingTo g: Rows<Float>,
        _ part: Part
    ) {
        if norm.gradient != nil {
            arithmetic.addGainGradient(norm, x, gradient, scale: scale, part.count, part)
        }
        let epsilon = arithmetic.configuration.layerNormEpsilon
        part.team.split(part.count, grain: 8) { range in
            pp_f32_rms_norm_gradient(
                arithmetic.kernels, x.row(range.lowerBound), norm, epsilon, scale,
                gradient.from(range.lowerBound),
                g.from(range.lowerBound), range.count, width)
        }
    }

    /// `next = x + dropout(a Wᵀ)`
    func addProduct(
        _ a: Rows<Element>, _ matrix: A.Matrix, _ x: Rows<Float>, into next: Rows<Float>,
        _ place: DropoutPlace,
        _ layer: Int, _ part: Part
    ) {
        guard dropout != nil else {
            copy(x, into: next, part)
            arithmetic.addProduct(a, matrix, to: next, part)
            return
        }
        clear(next, part)
        arithmetic.addProduct(a, matrix, to: next, part)
        drop(next, place, layer, part)
        part.team.split(part.count, grain: 8) { range in
            let from = x.row(range.lowerBound)
            let to = next.row(range.lowerBound)
            for index in 0..<range.count * width { to[index] += from[index] }
        }
    }

    private func copy(_ x: Rows<Float>, into out: Rows<Float>, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            out.row(range.lowerBound).update(from: x.row(range.lowerBound), count: range.count * width)
        }
    }

    /// The gradient at a sub-layer's last product, as elements, from that of the residual stream.
    func outputGradient(
        _ g: Rows<Float>, _ place: DropoutPlace, _ layer: Int, _ part: Part
    ) -> Rows<Element> {
        var out = g
        if dropout != nil {
            out = floats(width, part.count, &part.workspace.normGradient)
            copy(g, into: out, part)
            drop(out, place, layer, part)
        }
        return arithmetic.elements(out, part.count, part)
    }

    /// Dropout of rows of the residual stream's width, in place.
    func drop(_ x: Rows<Float>, _ place: DropoutPlace, _ layer: Int, _ part: Part) {
        guard let site = dropout?.site(place, layer: layer) else { return }
        part.team.split(part.count, grain: 8) { range in
            for row in range {
                var dropout = site.row(part.first + row)
                pp_f32_dropout(arithmetic.kernels, &dropout, x.row(row), width)
            }
        }
    }
}

/// `pp_f32_rms_norm_gradient` of rows.
func pp_f32_rms_norm_gradient(
    _ kernels: UnsafePointer<pp_kernels>, _ x: UnsafePointer<Float>, _ norm: NormGain, _ epsilon: Float,
    _ scale: Float,
    _ gradient: Rows<Float>, _ g: Rows<Float>, _ count: Int, _ width: Int
) {
    pp_f32_rms_norm_gradient(
        kernels, x, width, norm.values, epsilon, scale, gradient.start, gradient.stride, count, width,
        g.start,
        g.stride)
}
