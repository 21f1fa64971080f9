import Basics
import CKernels
import Tensors

/// How near two rows are.
public enum RowMetric: String, Sendable, CaseIterable {
    /// The cosine of the angle between them, from -1 to 1; higher is nearer. 0 for a row of zeros.
    case cosine
    /// The Euclidean distance; lower is nearer.
    case euclidean
}

/// A piece of the vocabulary and how near its embedding is to a row.
public struct NearPiece: Sendable, Equatable {
    /// The piece's id.
    public let id: Int32
    /// The cosine or the distance.
    public let value: Float
}

extension T5Core {
    /// For each row the ids whose embeddings are nearest to it, the nearest first; of equally near ones the
    /// lowest id.
    ///
    /// - Parameters:
    ///   - rows: `[rows, d_model]`; every value finite.
    ///   - count: How many for each row; fewer when there are not so many ids.
    ///   - limit: Only ids below this; a core's table is usually padded beyond its tokenizer's pieces.
    ///   - metric: How near two rows are.
    ///   - pool: The threads that compute.
    /// - Throws: `T5Error` when the values are not rows of the core's width.
    public func nearestPieces(
        to rows: [Float], count: Int, below limit: Int = .max, metric: RowMetric = .cosine, pool: WorkerPool
    ) throws(T5Error) -> [[NearPiece]] {
        let width = configuration.modelWidth
        guard rows.count % width == 0 else {
            throw T5Error(.input, "\(rows.count) values are not rows of the core's width \(width)")
        }
        let vocabulary = max(0, min(limit, configuration.vocabularySize))
        // A few more than asked for: products in float32 may have the last ones in the wrong order.
        var nearest = (0..<rows.count / width).map { _ in NearestList(capacity: max(0, count) + 8) }
        let table = EmbeddingBlock(embedding, width: width)
        for start in stride(from: 0, to: vocabulary, by: EmbeddingBlock.rows) {
            let block = min(EmbeddingBlock.rows, vocabulary - start)
            let products = table.products(of: rows, with: start..<start + block, pool: pool)
            nearest = pool.map(Array(nearest.enumerated())) { row, list in
                var list = list
                for index in 0..<block {
                    let dot = products.dots[row * block + index]
                    let square = products.squares[index]
                    // The row's own length changes no order.
                    let score =
                        metric == .cosine
                        ? dot / max(square.squareRoot(), .leastNormalMagnitude) : 2 * dot - square
                    list.insert(Int32(start + index), score)
                }
                return list
            }
        }
        return pool.map(Array(nearest.enumerated())) { row, list in
            let row = rows[row * width..<(row + 1) * width]
            let pieces = list.ids.map { id in
                NearPiece(id: id, value: metric.value(row, table.row(Int(id))))
            }
            let ordered = pieces.sorted { a, b in
                a.value == b.value ? a.id < b.id : (a.value > b.value) == (metric == .cosine)
            }
            return Array(ordered.prefix(max(0, count)))
        }
    }
}

extension RowMetric {
    /// How near two rows are, in double precision.
    fileprivate func value(_ a: ArraySlice<Float>, _ b: [Float]) -> Float {
        var (dot, aSquare, bSquare, distance) = (0.0, 0.0, 0.0, 0.0)
        for (x, y) in zip(a, b) {
            let (x, y) = (Double(x), Double(y))
            dot += x * y
            aSquare += x * x
            bSquare += y * y
            distance += (x - y) * (x - y)
        }
        switch self {
        case .euclidean: return Float(distance.squareRoot())
        case .cosine:
            let lengths = aSquare.squareRoot() * bSquare.squareRoot()
            return lengths > 0 ? Float(dot / lengths) : 0
        }
    }
}

/// The best few of many scores.
private struct NearestList {
    let capacity: Int
    /// From the best to the worst.
    private(set) var ids: [Int32] = []
    private var scores: [Float] = []

    init(capacity: Int) { self.capacity = capacity }

    mutating func insert(_ id: Int32, _ score: Float) {
        if ids.count == capacity {
            guard let last = scores.last, score > last else { return }
            ids.removeLast()
            scores.removeLast()
        }
        var (low, high) = (0, scores.count)
        while low < high {
            let middle = (low + high) / 2
            if scores[middle] >= score { low = middle + 1 } else { high = middle }
        }
        ids.insert(id, at: low)
        scores.insert(score, at: low)
    }
}

/// Rows of an embedding table in float32, some at a time.
private struct EmbeddingBlock {
    /// Rows taken at a time: 6 MiB of a core 768 wide.
    static let rows = 2048

    let table: StoredTensor
    let width: Int
    private let buffer: AlignedBuffer

    init(_ table: StoredTensor, width: Int) {
        self.table = table
        self.width = width
        buffer = AlignedBuffer(Self.rows * width, of: Float.self)
    }

    func row(_ index: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: width) { row, initialized in
            if let start = row.baseAddress { table.widenRow(index, into: start) }
            initialized = width
        }
    }

    /// The scalar products of rows `[n, width]` with some rows of the table, `[n, range]`, and the squares of
    /// the latter's lengths.
    func products(
        of rows: [Float], with range: Range<Int>, pool: WorkerPool
    ) -> (dots: [Float], squares: [Float]) {
        pool.ranges(of: range.count, grain: 64) { part in
            for index in part {
                table.widenRow(range.lowerBound + index, into: buffer.floats + index * width)
            }
        }
        let squares = pool.map(Array(0..<range.count)) { index in
            let row = buffer.floats + index * width
            return pp_f32_dot(pool.kernels, row, row, width)
        }
        let count = rows.count / width
        let dots = [Float](unsafeUninitializedCapacity: count * range.count) { dots, initialized in
            rows.withUnsafeBufferPointer { rows in
                if let rows = rows.baseAddress, let dots = dots.baseAddress {
                    pool.multiply(
                        rows: count, columns: range.count, inner: width, rows, stride: width, buffer.floats,
                        stride: width, into: dots, stride: range.count)
                }
            }
            initialized = count * range.count
        }
        return (dots, squares)
    }
}
