import Basics
import Tensors

/// Where a seed's draws go in this part of training: each purpose has a stream of its own, so that none shifts another.
enum DataStream {
    static let split: UInt64 = 101
    static let fewShot: UInt64 = 102
    static let order: UInt64 = 103
    /// The parameterization's own dropout, and the seeds of the core's.
    static let dropout: UInt64 = 104
    /// Where windows of raw text are cut.
    static let windows: UInt64 = 105
}

/// The rows of a task that one job trains on and those it is chosen by.
struct DataSelection: Sendable {
    /// Indices of training rows.
    let train: [Int]
    /// The rows by which the job's prompts are compared.
    let dev: [EncodedExample]
    /// Classes that have fewer rows than were asked for.
    let notice: String?

    /// Draws a job's rows.
    ///
    /// - Parameters:
    ///   - fewShot: Rows a class; `nil` for all.
    ///   - devShare: The share of the training rows that become dev rows when there is no dev file.
    ///   - seed: Decides both draws.
    init(_ data: TaskData, fewShot: Int?, devShare: Double, seed: UInt64) throws(TrainingError) {
        var train = Array(data.train.indices)
        if let dev = data.dev {
            self.dev = dev
        } else {
            var generator = SplitMix64(seed: seed, stream: DataStream.split)
            let held = try Self.heldOut(data, share: devShare, &generator)
            dev = train.filter(held.contains).map { data.train[$0] }
            train.removeAll(where: held.contains)
        }
        guard let fewShot else {
            self.train = train
            notice = nil
            return
        }
        var generator = SplitMix64(seed: seed, stream: DataStream.fewShot)
        generator.shuffle(&train)
        var counts: [ByteText: Int] = [:]
        // Rows without labels are of one class.
        self.train = train.filter { index in
            let label = ByteText(
                data.definition.verbalizer == nil ? "" : data.train[index].example.answers[0])
            counts[label, default: 0] += 1
            return counts[label, default: 0] <= fewShot
        }.sorted()
        let short = (data.definition.verbalizer?.names ?? [""]).filter {
            counts[ByteText($0), default: 0] < fewShot
        }
        notice =
            short.isEmpty
            ? nil
            : "\(data.source.train): fewer than \(fewShot) rows of "
                + short.prefix(5).map(\.quoted).joined(separator: ", ")
                + (short.count > 5 ? " and \(short.count - 5) more classes" : "")
    }

    /// The training rows held out as dev rows; rows of one group or of one text stay together.
    private static func heldOut(
        _ data: TaskData, share: Double, _ generator: inout SplitMix64
    ) throws(TrainingError) -> Set<Int> {
        var groups: [[UInt8]: [Int]] = [:]
        var order: [[UInt8]] = []
        for (index, row) in data.train.enumerated() {
            let key = row.example.group.map { SHA256.digest(of: Array("group \($0)".utf8)) } ?? row.textHash
            if groups[key] == nil { order.append(key) }
            groups[key, default: []].append(index)
        }
        guard order.count >= 2 else {
            throw TrainingError(
                "\(data.source.train) has too few different rows to split dev rows off; give a dev file")
        }
        generator.shuffle(&order)
        let wanted = max(1, Int((Double(data.train.count) * share).rounded()))
        var held: Set<Int> = []
        for key in order.dropLast() {
            guard held.count < wanted else { break }
            held.formUnion(groups[key] ?? [])
        }
        return held
    }
}

/// The order in which a job meets its rows: each epoch all of them, shuffled anew.
struct ExampleOrder {
    private let count: Int
    private var generator: SplitMix64
    /// The generator before it shuffled the present epoch.
    private var epochStart: SplitMix64
    private var indices: [Int]
    private var position = 0
    /// Epochs begun before the present one.
    private(set) var epoch = 0

    /// An order of so many rows, at least one.
    init(count: Int, seed: UInt64) {
        self.count = count
        generator = SplitMix64(seed: seed, stream: DataStream.order)
        epochStart = generator
        indices = []
        shuffle()
    }

    private mutating func shuffle() {
        epochStart = generator
        indices = Array(0..<count)
        generator.shuffle(&indices)
        position = 0
    }

    /// The next row and the epoch it is met in.
    mutating func next() -> (index: Int, epoch: Int) {
        if position == count {
            epoch += 1
            shuffle()
        }
        defer { position += 1 }
        return (indices[position], epoch)
    }

    /// What a checkpoint holds.
    var state: (generator: UInt64, epoch: Int, position: Int) { (epochStart.state, epoch, position) }

    /// Goes on where a checkpoint was made.
    ///
    /// - Throws: `TrainingError` when the position is not one of an order of so many rows.
    mutating func restore(generator state: UInt64, epoch: Int, position: Int) throws(TrainingError) {
        guard epoch >= 0, (0...count).contains(position) else {
            throw TrainingError("the data order's epoch \(epoch) or position \(position) is out of range")
        }
        generator = SplitMix64(state: state)
        shuffle()
        self.epoch = epoch
        self.position = position
    }
}
