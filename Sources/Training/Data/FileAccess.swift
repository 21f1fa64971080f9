import Basics
import Tensors

/// Files read and written whole, with training's error.
enum FileAccess {
    /// A file's bytes.
    static func read(_ path: String, limit: Int) throws(TrainingError) -> [UInt8] {
        do { return try readFile(path, limit: limit) } catch { throw TrainingError(wrapping: error) }
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
