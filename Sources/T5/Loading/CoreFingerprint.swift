import Basics
import CKernels
import Tensors

/// Collects what identifies a core while its tensors are loaded.
///
/// The fingerprint is the SHA-256 of the configuration's canonical text and, for each tensor that the model
/// uses in the order of their names, the line `name type shape sha256(bytes)`. Tensors stored twice under
/// several names, and how they are spread over files, do not change it.
struct CoreFingerprint {
    private var tensors: [StoredTensor] = []

    /// Bytes that are hashed and looked through in turn, so that the second time they come from the cache.
    private static let blockSize = 1 << 18
    /// Bytes that are let go of at a time.
    private static let releasedSize = 8 << 20

    mutating func include(_ tensor: StoredTensor) { tensors.append(tensor) }

    /// Hashes the tensors' bytes, in parallel, and returns 64 hexadecimal digits.
    ///
    /// - Throws: `T5Error` naming the first tensor with a value that is not finite, and the value's place. Every
    ///   byte of a core is read here, so it costs little to look for such values.
    func digest(configuration: T5Configuration, facts: String, pool: WorkerPool) throws(T5Error) -> String {
        // The largest first, so that no thread is left with it at the end.
        let largestFirst = tensors.sorted { $0.bytes.count > $1.bytes.count }
        let lines = pool.map(largestFirst) { (name: $0.name, text: Self.line($0)) }
        var hash = SHA256()
        hash.update(configuration.canonicalText)
        hash.update(facts)
        for line in lines.sorted(by: { $0.name < $1.name }) {
            hash.update(try line.text.get())
        }
        return hash.digest.hexadecimal
    }

    private static func line(_ tensor: StoredTensor) -> Result<String, T5Error> {
        var hash = SHA256()
        var kept = 0
        for start in stride(from: 0, to: tensor.bytes.count, by: blockSize) {
            let end = min(start + blockSize, tensor.bytes.count)
            // Of a checkpoint of gigabytes only a little is in memory at a time.
            defer {
                if end - kept >= releasedSize || end == tensor.bytes.count {
                    tensor.release(kept..<end)
                    kept = end
                }
            }
            let block = UnsafeRawBufferPointer(rebasing: tensor.bytes[start..<end])
            hash.update(block)
            if let place = tensor.elementType.firstNotFinite(block) {
                return .failure(notFinite(tensor, at: start / tensor.elementType.size + place))
            }
        }
        let digest = hash.digest.hexadecimal
        return .success("\(tensor.name) \(tensor.elementType.rawValue) \(tensor.shape) \(digest)\n")
    }

    private static func notFinite(_ tensor: StoredTensor, at index: Int) -> T5Error {
        var place: [Int] = []
        var rest = index
        for extent in tensor.shape.reversed() {
            place.insert(rest % extent, at: 0)
            rest /= extent
        }
        return T5Error(
            .weights,
            "\(tensor.path): tensor \(tensor.name) has a value at \(place) that is not finite; "
                + "save the checkpoint anew from sound weights")
    }
}

extension ElementType {
    /// The index of the first element that is NaN or infinite.
    fileprivate func firstNotFinite(_ bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress else { return nil }
        let count = bytes.count / size
        let index =
            switch self {
            case .float32: pp_first_not_finite_32(start, count)
            case .float16: pp_first_not_finite_16(start, count, 0x7C00)
            case .bfloat16: pp_first_not_finite_16(start, count, 0x7F80)
            }
        return index < count ? index : nil
    }
}
