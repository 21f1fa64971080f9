/// Where a core comes from, as commands and settings name it.
public enum CoreSource: Sendable, Hashable, CustomStringConvertible {
    /// A Hugging Face T5 directory.
    case directory(String)
    /// `random:SHAPE`: random weights in a published shape.
    case random(shape: String)

    /// Reads a name. Whether there is such a core is not looked at.
    public init(_ name: String) {
        let prefix = "random:"
        self =
            name.hasPrefix(prefix) ? .random(shape: String(name.dropFirst(prefix.count))) : .directory(name)
    }

    /// The name as it is written.
    public var description: String {
        switch self {
        case .directory(let path): path
        case .random(let shape): "random:\(shape)"
        }
    }

    /// The core's name for people: of a directory the last part of its path.
    public var name: String {
        switch self {
        case .directory(let path): path.split(separator: "/").last.map(String.init) ?? path
        case .random: description
        }
    }

    /// The core's configuration, without its weights.
    ///
    /// - Throws: `T5Error` when there is no such shape, or the directory's `config.json` cannot be used.
    public func configuration() throws(T5Error) -> T5Configuration {
        switch self {
        case .directory(let path): return try T5Configuration(path: path + "/config.json")
        case .random(let shape):
            guard let configuration = RandomCoreSource.configuration(shape: shape) else {
                let all = RandomCoreSource.shapes.map { "\(CoreSource.random(shape: $0))" }
                throw T5Error(
                    .configuration, "there is no core \(self); there are \(all.joined(separator: ", "))")
            }
            return configuration
        }
    }
}
