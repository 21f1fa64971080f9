import Tensors

extension T5Core {
    /// The embedding rows `[ids, d_model]` of ids, as the encoder is given them.
    ///
    /// - Throws: `T5Error` when an id is out of range.
    public func embeddings(of ids: [Int32]) throws(T5Error) -> [Float] {
        let width = configuration.modelWidth
        try configuration.check(ids)
        return [Float](unsafeUninitializedCapacity: ids.count * width) { rows, initialized in
            if let start = rows.baseAddress {
                for (index, id) in ids.enumerated() {
                    embedding.widenRow(Int(id), into: start + index * width)
                }
            }
            initialized = ids.count * width
        }
    }
}
