import Basics
import Tensors

/// Files read and written whole, with training's error.
enum FileAccess {
    /// The bytes of a file or of a pipe.
    static func read(_ path: String, limit: Int) throws(TrainingError) -> [UInt8] {
        do { return try readFile(path, limit: limit) } catch { throw TrainingError(wrapping: error) }
    }

    /// The bytes of a definition, which must be a file: it may be read more than once.
    static func readDefinition(_ path: String) throws(TrainingError) -> [UInt8] {
        do { return try readRegularFile(path, limit: FileLimit.settings) } catch {
            throw TrainingError(wrapping: error)
        }
    }

    /// Writes text whole or not at all.
    static func write(_ text: String, to path: String) throws(TrainingError) {
        do { try writeFile(Array(text.utf8), to: path) } catch { throw TrainingError(wrapping: error) }
    }

    /// Writes a safetensors file whole or not at all.
    static func write(
        _ tensors: [SafetensorsWriter.Tensor], metadata: [(String, String)], to path: String
    ) throws(TrainingError) {
        do { try SafetensorsWriter.write(tensors, metadata: metadata, to: path) } catch {
            throw TrainingError(wrapping: error)
        }
    }

    /// Makes a folder and those above it.
    static func makeFolder(_ path: String) throws(TrainingError) {
        do { try Basics.makeFolder(path) } catch { throw TrainingError(wrapping: error) }
    }
}
