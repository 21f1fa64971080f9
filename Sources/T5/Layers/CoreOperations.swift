import Tensors

/// What the operations of every number format work on: a core's weights in that format, and the threads and memory to
/// work with.
package class CoreOperations<Matrix> {
    package final let configuration: T5Configuration
    package final let pool: WorkerPool
    /// `[vocab_size, d_model]`
    package final let embedding: StoredTensor
    package final let weights: T5Weights<Matrix, FloatTensor>
    package final let encoderBias: RelativePositionBias
    package final let decoderBias: RelativePositionBias
    package final let workspaces = WorkspacePool()

    package init(
        _ weights: T5Weights<Matrix, FloatTensor>, embedding: StoredTensor, configuration: T5Configuration,
        pool: WorkerPool
    ) {
        self.weights = weights
        self.embedding = embedding
        self.configuration = configuration
        self.pool = pool
        encoderBias = RelativePositionBias(
            weights.encoderBias, configuration: configuration, bidirectional: true)
        decoderBias = RelativePositionBias(
            weights.decoderBias, configuration: configuration, bidirectional: false)
    }
}
